import AOFCore
import AOFFileSystem
import AOFSystem
import CFuse3
import Glibc
import Logging

/// What the callbacks of libfuse find behind a request.
final class MountContext: Sendable {
  let files: FileSystem
  let parked = ParkedReplies()
  let logger: Logger
  private let logged = Lock<Set<String>>([])

  init(files: FileSystem, logger: Logger) {
    self.files = files
    self.logger = logger
  }

  /// Programs get errnos for what they did wrong. What our side could not do goes to the log too: once for each
  /// kind, as there may be thousands of requests behind one broken disk.
  func report(_ error: AofError, in operation: StaticString) {
    switch error.code {
    case .corrupt, .localFailure, .remoteFailure, .fenced: break
    default: return
    }
    guard logged.withLock({ $0.insert("\(operation) \(error.code)").inserted }) else {
      logger.debug("\(operation): \(error)")
      return
    }
    logger.error("\(operation): \(error) (said once for this operation)")
  }
}

/// One request: who answers it, and from what.
struct Call: ~Copyable {
  let context: MountContext
  let operation: StaticString
  let reply: Reply

  /// Nil, after an answer, if the request has no mount behind it.
  init?(_ request: fuse_req_t?, _ operation: StaticString) {
    guard let request else { return nil }
    let reply = Reply(request)
    guard let data = fuse_req_userdata(request) else { return nil }
    context = Unmanaged<MountContext>.fromOpaque(data).takeUnretainedValue()
    self.operation = operation
    self.reply = reply
  }

  var files: FileSystem { context.files }

  /// Which task asks. The kernel gives the number of the thread.
  var task: TaskID { fuse_req_ctx(reply.request).map { TaskID(rawValue: $0.pointee.pid) } ?? .unknown }

  /// Who asks.
  var caller: Caller {
    guard let caller = fuse_req_ctx(reply.request)?.pointee else { return Caller(userID: 0, groupID: 0) }
    return Caller(userID: caller.uid, groupID: caller.gid)
  }

  consuming func fail(_ error: AofError) {
    context.report(error, in: operation)
    reply.error(error.errno)
  }

  /// Answers success, or the error that `body` throws.
  consuming func done(_ body: (FileSystem) throws(AofError) -> Void) {
    do throws(AofError) { try body(context.files) } catch { return fail(error) }
    reply.error(0)
  }

  /// Answers with a node that the kernel will know from now on.
  consuming func entry(_ body: (FileSystem, Caller) throws(AofError) -> Entry) {
    let entry: Entry
    do throws(AofError) { entry = try body(context.files, caller) } catch { return fail(error) }
    let files = context.files
    if !reply.entry(entry) { files.forget(entry.attributes.node, count: 1) }
  }

  /// As ``entry(_:)``, at once or when the kernel was told of the size.
  consuming func found(_ body: (FileSystem, TaskID) throws(AofError) -> AttributeAnswer) {
    let answer: AttributeAnswer
    do throws(AofError) { answer = try body(context.files, task) } catch { return fail(error) }
    let files = context.files
    switch answer {
    case .now(let entry): if !reply.entry(entry) { files.forget(entry.attributes.node, count: 1) }
    case .later(let work):
      later(work) { reply, entry in
        if !reply.entry(entry) { files.forget(entry.attributes.node, count: 1) }
      }
    }
  }

  consuming func attributes(_ body: (FileSystem, TaskID) throws(AofError) -> AttributeAnswer) {
    let answer: AttributeAnswer
    do throws(AofError) { answer = try body(context.files, task) } catch { return fail(error) }
    switch answer {
    case .now(let entry): reply.attributes(entry)
    case .later(let work): later(work) { reply, entry in reply.attributes(entry) }
    }
  }

  /// Puts the reply aside, starts the work, and answers when it is done unless the caller has gone.
  consuming func later<Value>(
    _ work: Deferred<Value>, _ answer: @escaping @Sendable (consuming Reply, Value) -> Void
  ) {
    let (context, operation) = (context, operation)
    let parked = context.parked.park(reply, isInterruptible: work.isInterruptible)
    work.start(for: parked) { result in
      guard let reply = parked.claim() else { return }
      switch result {
      case .success(let value): answer(reply, value)
      case .failure(let error):
        context.report(error, in: operation)
        reply.error(error.errno)
      }
    }
  }
}
