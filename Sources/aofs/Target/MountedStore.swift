import AOFControl
import AOFCore
import AOFFileSystem
import AOFSystem
import Glibc

/// A store as seen through its mount: commands go through its control files.
struct MountedStore: Equatable {
  /// The type that the kernel's mount table shows.
  static let type = "fuse.aofs"

  let mountPoint: String

  /// A file or directory of the mount.
  func path(_ log: LogPath) -> String {
    log.names.isEmpty ? mountPoint : (mountPoint == "/" ? "" : mountPoint) + "/" + log.description
  }

  /// Blocks until the command is done. - Throws: if the mount cannot be asked at all; `interrupted` by a signal, after
  /// which the command goes on and must not be sent again.
  func execute(_ command: [UInt8]) throws(AofError) -> ControlAnswer {
    let file = try openControl("command", .readWrite)
    do throws(AofError) {
      try file.writeMessage(command)
    } catch where error.errno == EINTR {
      throw AofError(
        .interrupted, "a signal ended the wait for the command, which goes on",
        remedy: "see what is under way in \(mountPoint)/.ctl/status")
    } catch {
      // The text of the answer says more than the errno; without one, the errno has to do.
      let text = (try? answer(on: file)) ?? ""
      return ControlAnswer(text: text.isEmpty ? "error: \(error)\n" : text, error: error)
    }
    return ControlAnswer(text: try answer(on: file), error: nil)
  }

  func status() throws(AofError) -> StoreStatus {
    try ReportJSON.storeStatus(openControl("status.json", .read).readAll())
  }

  /// In the text format of Prometheus.
  func metrics() throws(AofError) -> String {
    String(decoding: try openControl("metrics", .read).readAll(), as: UTF8.self)
  }

  /// The answer to what was written on the same handle.
  private func answer(on file: ByteStream) throws(AofError) -> String {
    String(decoding: try file.readAll(from: 0), as: UTF8.self)
  }

  private func openControl(_ name: String, _ mode: ByteStream.Mode) throws(AofError) -> ByteStream {
    do throws(AofError) {
      return try ByteStream.open(mountPoint + "/.ctl/" + name, mode)
    } catch {
      switch error.errno {
      case ENOTCONN: throw Self.dead(mountPoint)
      case EACCES, EPERM:
        throw AofError(
          .notPermitted, "the control files of \(mountPoint) are not yours",
          remedy: "run the command as the user who mounted it", cause: error)
      case EROFS:
        throw AofError(
          .readOnly, "\(mountPoint) is mounted read-only, and takes no commands",
          remedy: "mount it without -o ro", cause: error)
      default: throw error
      }
    }
  }

  /// The error for a mount whose daemon is gone.
  static func dead(_ path: String) -> AofError {
    AofError(
      .system(errno: ENOTCONN), "the mount at \(path) is dead: its daemon is gone",
      remedy: "clear it with 'fusermount3 -uz \(path)', or 'umount -l' as root, and mount again")
  }
}
