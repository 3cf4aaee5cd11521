import AOFCore
import Glibc

/// A process that has something of a mount open.
package struct MountHolder: Hashable, Sendable {
  package let process: Int32
  /// The command's name, as the kernel keeps it.
  package let command: String
  /// A file or directory of the mount that it has open, or stands in; absolute.
  package let path: String
}

/// Finds out who keeps a mount busy. Of other users' processes only root sees any.
package struct MountHolders: Sendable {
  private let mountPoint: String
  private let device: (major: UInt32, minor: UInt32)

  /// - Parameter entry: also of a mount that is out of sight by now.
  package init?(_ entry: MountTable.Entry) {
    let numbers = entry.device.split(separator: ":").compactMap { UInt32($0) }
    guard numbers.count == 2 else { return nil }
    mountPoint = entry.mountPoint
    device = (numbers[0], numbers[1])
  }

  /// One entry for each process, but for this one; at most `limit`. Never asks the daemon of the mount.
  package func current(limit: Int) -> [MountHolder] {
    var found: [MountHolder] = []
    for name in Self.names(in: "/proc") {
      guard found.count < limit else { break }
      guard let process = Int32(name), process != getpid(), let path = path(heldBy: process) else { continue }
      let bytes = (try? ByteStream.open("/proc/\(process)/comm", .read).readAll()) ?? []
      let command = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
      found.append(MountHolder(process: process, command: command, path: path))
    }
    return found
  }

  private func path(heldBy process: Int32) -> String? {
    let folder = "/proc/\(process)"
    for name in Self.names(in: folder + "/fd") where isOurs("\(folder)/fd/\(name)") {
      return target("\(folder)/fd/\(name)")
    }
    for name in ["cwd", "root"] where isOurs("\(folder)/\(name)") { return target("\(folder)/\(name)") }
    return nil
  }

  /// By the attributes that the kernel has at hand: a daemon that hangs must not make this hang.
  private func isOurs(_ link: String) -> Bool {
    var facts = statx()
    guard statx(AT_FDCWD, link, Int32(AT_STATX_DONT_SYNC), UInt32(STATX_TYPE), &facts) == 0 else { return false }
    return facts.stx_dev_major == device.major && facts.stx_dev_minor == device.minor
  }

  /// The kernel shows paths of a mount that is out of sight from the mount's top on.
  private func target(_ link: String) -> String {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(link, &bytes, bytes.count)
    let path = String(decoding: bytes.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return MountTable.contains(mountPoint, path) ? path : mountPoint + path
  }

  private static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { pointer in
          pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }
}
