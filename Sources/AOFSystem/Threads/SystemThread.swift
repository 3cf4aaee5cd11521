import AOFCore
import Glibc

/// A thread of the operating system, for work that blocks.
package final class SystemThread: Sendable {
  private let done = Monitor(false)

  /// Starts a thread that runs `body` once. `name` is cut to the 15 bytes that Linux keeps.
  /// - Throws: `system(EAGAIN)` when the process may start no more threads.
  package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(AofError) -> SystemThread {
    let thread = SystemThread()
    let start = Unmanaged.passRetained(ThreadStart(name: name.utf8.prefix(15).map { CChar(bitPattern: $0) } + [0], body: body, thread: thread))
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 1 << 20)
    var handle = pthread_t()
    let result = pthread_create(&handle, &attributes, runThread, start.toOpaque())
    guard result == 0 else {
      start.release()
      throw .systemCall("pthread_create", name, errno: result)
    }
    return thread
  }

  /// Lets other threads run that are ready to.
  package static func yield() { sched_yield() }

  /// From now on the calling thread gives way to others, and gets about a tenth of their time where processors are short.
  /// The kernel's idle class would starve it: what waits for a checkpoint would wait as long as anybody else is busy.
  package static func giveWay() {
    // A kernel that refuses leaves the thread as it is, which is no harm.
    _ = setpriority(PRIO_PROCESS, 0, 10)
  }

  /// Processors that are on.
  package static let processorCount = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  /// Waits until the thread's body has returned.
  package func join() { done.wait { $0 ? () : nil } }

  fileprivate func finish() { done.change { $0 = true } }
}

private final class ThreadStart {
  /// With the NUL at its end.
  let name: [CChar]
  let body: @Sendable () -> Void
  let thread: SystemThread

  init(name: [CChar], body: @escaping @Sendable () -> Void, thread: SystemThread) {
    self.name = name
    self.body = body
    self.thread = thread
  }
}

private func runThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
  pthread_setname_np(pthread_self(), start.name)
  start.body()
  start.thread.finish()
  return nil
}
