import AOFCore
import AOFSystem

/// What the kernel may hold and know of the end of one log. Lives as long as the file system: the kernel keeps
/// pages past the close of the handle that filled them.
final class LogCoherence: Sendable {
  private let page: Lock<TailPage>

  init(pageSize: UInt64) { page = Lock(TailPage(pageSize: pageSize)) }

  func willRead(upTo end: UInt64, tail: LSN) { page.withLock { $0.willRead(upTo: end, tail: tail.rawValue) } }

  /// The size to tell to `task`.
  func size(tail: () -> LSN, for task: TaskID) -> TailPage.Size {
    atTail(tail) { page, tail in page.size(tail: tail, for: task) }
  }

  /// Runs `body` with a tail that no cut has made void.
  private func atTail<Result>(_ tail: () -> LSN, _ body: (inout TailPage, UInt64) -> Result) -> Result {
    while true {
      let life = page.withLock { $0.life }
      let tail = tail().rawValue
      if let result = page.withLock({ $0.life == life ? body(&$0, tail) : nil }) { return result }
    }
  }

  func didStore(_ news: SizeNews) { page.withLock { $0.didStore(news) } }

  /// Returns which life of the log's end the append is of.
  func willAppend(tail: () -> LSN) -> Int { atTail(tail) { page, tail in page.willAppend(tail: tail) } }

  func didNotAppend() { page.withLock { $0.didNotAppend() } }

  func didAppend(_ append: TailPage.Append) -> TailPage.AfterAppend { page.withLock { $0.didAppend(append) } }

  func didCut(at lsn: LSN) { page.withLock { $0.didCut(at: lsn.rawValue) } }

  func didInvalidate(_ append: TailPage.Append) { page.withLock { $0.didInvalidate(append) } }
}
