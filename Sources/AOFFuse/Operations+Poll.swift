import AOFCore
import AOFFileSystem
import CFuse3

func onPoll(
  _ request: fuse_req_t?, _ node: fuse_ino_t, _ file: FileInfo?, _ handle: OpaquePointer?
) {
  let caller = handle.map { PollCaller($0) }
  guard let call = Call(request, "poll") else { return }
  call.poll(file, caller)
}

extension Call {
  fileprivate consuming func poll(_ file: FileInfo?, _ caller: PollCaller?) {
    let isReadable: Bool
    var wake: (@Sendable () -> Void)?
    if let caller { wake = { caller.wake() } }
    do throws(AofError) {
      isReadable = try context.files.poll(file.handle, whenReadable: wake)
    } catch { return fail(error) }
    reply.poll(isReadable: isReadable)
  }
}

/// A program that polls, as libfuse knows it. Forgotten with the last reference, which must go before the session does.
private final class PollCaller: @unchecked Sendable {  // immutable; libfuse lets any thread notify
  private let handle: OpaquePointer

  init(_ handle: OpaquePointer) { self.handle = handle }

  deinit { fuse_pollhandle_destroy(handle) }

  /// Makes the kernel ask again.
  func wake() { _ = fuse_lowlevel_notify_poll(handle) }
}
