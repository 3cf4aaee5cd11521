import AOFCore
import AOFEngine

/// What a number in the handle table stands for.
enum Handle: Sendable {
  case log(LogHandle)
  case command(CommandHandle)
  /// A control file: its text as it was when the file was opened.
  case text([UInt8])
  case events(EventReader)
  case directory(DirectoryStream)
}

/// An open log. Holds no lease and no descriptor: a log may be open for months. It keeps the log from being purged.
struct LogHandle: Sendable {
  let use: LogUse
  let coherence: LogCoherence
  /// Fetches ahead of those who read the file in order.
  let reader: LogReader
  /// In writeback mode.
  let writeback: WritebackHandle?

  var aof: Aof { use.log }
}

/// What the kernel is told about a handle.
package struct OpenAnswer: Hashable, Sendable {
  package var handle: HandleID
  /// Reads and writes reach us one by one, past the page cache.
  package var bypassesCache: Bool
  /// The pages that the kernel holds stay: they are dropped when they change, not at open.
  package var keepsCache: Bool
  /// Read in order, without a position.
  package var isStream = false
}
