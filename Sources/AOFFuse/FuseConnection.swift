import AOFCore
import AOFSystem
import Glibc

/// The kernel's side of a FUSE mount, which lives on after the mount is out of sight.
struct FuseConnection {
  let number: UInt32

  private static let directory = "/sys/fs/fuse/connections"

  /// - Throws: if the control files of FUSE cannot be reached.
  func abort() throws(AofError) {
    if abort(in: Self.directory) { return }
    guard geteuid() == 0 else { throw unreachable }
    try abortThroughOwnMount()
  }

  private func abort(in directory: String) -> Bool {
    (try? ByteStream.open("\(directory)/\(number)/abort", .append).write("1")) != nil
  }

  /// Where nobody has mounted the control files, as in many containers: mounts them for a moment, out of
  /// everybody's way.
  private func abortThroughOwnMount() throws(AofError) {
    var template = Array("/tmp/aofs-abort-XXXXXX".utf8CString)
    guard let directory = mkdtemp(&template).map({ String(cString: $0) }) else {
      throw .systemCall("mkdtemp", "/tmp", errno: errno)
    }
    defer { rmdir(directory) }
    guard mount("none", directory, "fusectl", 0, nil) == 0 else { throw unreachable }
    defer { umount2(directory, Int32(MNT_DETACH)) }
    guard abort(in: directory) else { throw unreachable }
  }

  private var unreachable: AofError {
    AofError(
      .system(errno: EIO), "connection \(number) cannot be aborted",
      remedy: "mount its control files with 'mount -t fusectl none \(Self.directory)'")
  }
}
