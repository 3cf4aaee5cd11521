import AOFCore
import Glibc

/// One line of /proc/self/mountinfo.
struct MountedFileSystem: Equatable {
  let major: UInt32
  let minor: UInt32
  let mountPoint: [UInt8]
  let type: String

  /// The number of the connection under /sys/fs/fuse/connections.
  var connection: UInt32 { major << 20 | minor }

  /// Nil for a line that does not look like one.
  init?(line: ArraySlice<UInt8>) {
    let fields = line.split(separator: UInt8(ascii: " ")).map(Array.init)
    guard fields.count > 6, let dash = fields.firstIndex(of: [UInt8(ascii: "-")]), dash + 1 < fields.count else {
      return nil
    }
    let device = fields[2].split(separator: UInt8(ascii: ":")).map { UInt32(String(decoding: $0, as: UTF8.self)) }
    guard device.count == 2, let major = device[0], let minor = device[1] else { return nil }
    self.major = major
    self.minor = minor
    mountPoint = Self.unescaped(fields[4])
    type = String(decoding: fields[dash + 1], as: UTF8.self)
  }

  /// The kernel writes spaces and the like as `\040`.
  private static func unescaped(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var rest = text[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        result.append(value)
        rest = rest.dropFirst(3)
      } else {
        result.append(byte)
      }
    }
    return result
  }
}

enum MountTable {
  /// What is mounted, the topmost last. Empty where /proc is missing.
  static func current() -> [MountedFileSystem] {
    guard let bytes = SmallFile.read("/proc/self/mountinfo") else { return [] }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap { MountedFileSystem(line: $0) }
  }

  /// The topmost file system at this absolute path.
  static func mounted(at path: String) -> MountedFileSystem? {
    current().last { $0.mountPoint.elementsEqual(path.utf8) }
  }
}

/// Files of the kernel, which are read and written in one go.
enum SmallFile {
  static func read(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      guard count > 0 else { return bytes }
      bytes += buffer[..<count]
    }
  }

  static func write(_ text: String, to path: String) -> Bool {
    guard let file = fopen(path, "we") else { return false }
    let written = fputs(text, file) >= 0
    return fclose(file) == 0 && written
  }
}
