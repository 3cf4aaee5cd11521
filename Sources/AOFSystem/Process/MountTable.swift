import AOFCore

/// What is mounted where, as `/proc/self/mountinfo` tells.
package struct MountTable: Sendable {
  package struct Entry: Hashable, Sendable {
    /// The kernel's number of the filesystem: `major:minor`.
    package let device: String
    /// The directory of the filesystem that is visible: `/`, or below it for a bind mount.
    package let root: String
    package let mountPoint: String
    /// With its subtype: `fuse.aofs`.
    package let type: String
    package let source: String

    /// The number of a FUSE mount's connection under /sys/fs/fuse/connections.
    package var fuseConnection: UInt32? {
      let numbers = device.split(separator: ":").map { UInt32($0) }
      guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return nil }
      return major << 20 | minor
    }
  }

  /// In the order of mounting; of two on the same place, the later one is seen.
  package let entries: [Entry]

  /// This process's mounts.
  package static func current() throws(AofError) -> MountTable {
    MountTable(parsing: try ByteStream.open("/proc/self/mountinfo", .read).readAll())
  }

  /// Lines that are not of the kernel's form are left out.
  package init(parsing bytes: [UInt8]) {
    entries = bytes.split(separator: UInt8(ascii: "\n")).compactMap(Self.entry)
  }

  /// What is seen at this very path, which must be absolute and without links.
  package func entry(at mountPoint: String) -> Entry? {
    entries.last { $0.mountPoint.utf8.elementsEqual(mountPoint.utf8) }
  }

  /// The mount that shows `path`, which must be absolute and without links: the longest mount point above it.
  package func entry(showing path: String) -> Entry? {
    var best: Entry?
    for entry in entries where Self.contains(entry.mountPoint, path) {
      if entry.mountPoint.utf8.count >= best?.mountPoint.utf8.count ?? 0 { best = entry }
    }
    return best
  }

  /// Whether `path` is `directory` or lies below it; both absolute. Byte by byte: strings that look alike name different files.
  package static func contains(_ directory: String, _ path: String) -> Bool {
    guard directory != "/" else { return true }
    guard path.utf8.starts(with: directory.utf8) else { return false }
    let rest = path.utf8.dropFirst(directory.utf8.count)
    return rest.isEmpty || rest.first == UInt8(ascii: "/")
  }

  /// `36 35 98:0 /root /mount/point opts optional… - type source superopts`
  private static func entry(_ line: ArraySlice<UInt8>) -> Entry? {
    let fields = line.split(separator: UInt8(ascii: " "))
    guard fields.count >= 9, let dash = fields.dropFirst(6).firstIndex(where: { $0.elementsEqual("-".utf8) }),
      fields.count > dash + 2
    else { return nil }
    return Entry(
      device: unescaped(fields[2]), root: unescaped(fields[3]), mountPoint: unescaped(fields[4]),
      type: unescaped(fields[dash + 1]), source: unescaped(fields[dash + 2]))
  }

  /// Blanks, tabs, newlines and backslashes are written as `\040` and so on.
  private static func unescaped(_ field: ArraySlice<UInt8>) -> String {
    var bytes: [UInt8] = []
    var rest = field
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      guard byte == UInt8(ascii: "\\"), digits.count == 3,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      else {
        bytes.append(byte)
        continue
      }
      bytes.append(value)
      rest = rest.dropFirst(3)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
