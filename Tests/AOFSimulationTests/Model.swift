import AOFCore
import AOFEngine

/// What a log must hold.
final class LogModel {
  var name: String
  /// All that was appended, and at its end what was being appended when a life ended.
  private(set) var bytes: [UInt8] = []
  /// Where the last append ended that was acknowledged.
  private(set) var acknowledged = 0
  /// Where appends ended, also those under way.
  private var ends: Set<Int> = [0]
  /// What must survive a power cut.
  private(set) var durable = 0
  private(set) var sealed = 0
  private(set) var remote = 0
  private(set) var generation = Generation.first
  /// What the remote lacks, in bytes.
  var unpublished: Int { acknowledged - max(remote, head) }
  /// What lies below is forgotten.
  private(set) var head = 0
  /// Where the head is if a trim that a life's end has met was decided; where the log ends if a cut was.
  private var headUnderWay: Int?
  private var cutUnderWay: Int?
  /// The id, while the log is in the trash.
  private(set) var trashed: LogID?
  /// From when on the log may be gone from the trash by itself.
  private(set) var expires = UnixTime(rawValue: 0)
  /// Whether it may be gone because somebody asked for it.
  var isBeingPurged = false
  /// Set by a sync that failed: no later one of this life may succeed.
  var hasFailedSync = false

  init(name: String) { self.name = name }

  // MARK: The trash

  var isInTrash: Bool { trashed != nil }

  /// `time`: no later than any that was seen since.
  func discarded(_ id: LogID, at time: UnixTime) {
    trashed = id
    expires = UnixTime(rawValue: time.rawValue + Int64(TrashAge.standard.seconds) * 1_000_000_000 - Self.slack)
  }

  /// The clock may have been set back before the log was deleted.
  private static let slack: Int64 = 3_600_000_000_000

  func restored(as name: String) {
    trashed = nil
    self.name = name
  }

  // MARK: Appending

  func append(_ records: [[UInt8]]) {
    begin(records)
    acknowledged = bytes.count
  }

  /// An append under way as the life ends: any number of its records may be there, none of them in part.
  func begin(_ records: [[UInt8]]) {
    for record in records {
      bytes += record
      ends.insert(bytes.count)
    }
  }

  func acknowledge(durable: Int) { self.durable = max(self.durable, durable) }

  // MARK: Forgetting

  /// A trim that was answered.
  func trim(to lsn: Int) {
    beginTrim(to: lsn)
    head = headUnderWay ?? head
    headUnderWay = nil
  }

  /// A trim under way as the life ends.
  func beginTrim(to lsn: Int) { headUnderWay = max(head, lsn - lsn % Limits.trimUnit) }

  /// A cut that was answered: what comes at and past the LSN may be other bytes, and the cut is as durable as a sync.
  func cut(at lsn: Int) {
    guard lsn < acknowledged else { return }
    end(at: lsn)
    // The object of an extent that the cut splits is not its own any more.
    (durable, sealed, remote) = (lsn, min(sealed, lsn), 0)
  }

  /// A cut under way as the life ends.
  func beginCut(at lsn: Int) { cutUnderWay = lsn }

  private func end(at lsn: Int) {
    bytes.removeLast(bytes.count - lsn)
    acknowledged = lsn
    ends = ends.filter { $0 <= lsn }.union([lsn])
  }

  // MARK: Checking

  /// The watermarks of a log that is in use.
  func check(_ log: Aof) throws(Violation) {
    let marks = log.watermarks
    try require(
      marks.remote <= marks.sealed && marks.sealed <= marks.durable && marks.durable <= marks.tail
        && marks.head <= marks.sealed, "log \(name): watermarks out of order: \(marks)")
    try require(marks.head.offset == head, "log \(name): the head is \(marks.head), not \(head)")
    try require(marks.tail.offset == acknowledged, "log \(name): the tail is \(marks.tail), not \(acknowledged)")
    try require(
      marks.remote.offset >= remote && marks.sealed.offset >= sealed && marks.durable.offset >= durable
        && log.generation >= generation,
      "log \(name): \(marks) in generation \(log.generation) is behind remote \(remote), sealed \(sealed), "
        + "durable \(durable), generation \(generation)")
    // The mark is a promise as good as the answer to a sync.
    (remote, sealed, durable) = (marks.remote.offset, marks.sealed.offset, marks.durable.offset)
    generation = log.generation
  }

  /// The log as the next life finds it. `losesUnsynced`: whether what was written and not synced may be gone.
  func adopt(_ log: Aof, losesUnsynced: Bool) throws(Violation) {
    let tail = log.tailLSN.offset
    if let headUnderWay, log.watermarks.head.offset == headUnderWay { head = headUnderWay }
    if let cutUnderWay, tail == cutUnderWay, log.generation > generation { cut(at: cutUnderWay) }
    (headUnderWay, cutUnderWay) = (nil, nil)
    let least = losesUnsynced ? durable : acknowledged
    try require(log.failure == nil, "log \(name) came back damaged: \(log.failure.map(String.init(describing:)) ?? "")")
    try require(
      tail >= least,
      "log \(name) came back up to \(tail), and \(least) were acknowledged as \(losesUnsynced ? "durable" : "written")")
    try require(ends.contains(tail), "log \(name) came back up to \(tail), where no append ended")
    end(at: tail)
    durable = min(durable, tail)
    hasFailedSync = false
    try check(log)
  }

  /// - Returns: whether `found` is what the log holds from `start` on.
  func holds(_ found: UnsafeRawBufferPointer, at start: Int) -> Bool {
    bytes.withUnsafeBytes {
      start + found.count <= acknowledged
        && found.isEqual(to: UnsafeRawBufferPointer(rebasing: $0[start..<(start + found.count)]))
    }
  }
}

/// What an engine must not do.
struct Violation: Error, CustomStringConvertible {
  let description: String
}

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(Violation) {
  if !condition { throw Violation(description: message()) }
}

extension LSN {
  /// As an offset in the model's arrays, which are short.
  var offset: Int { Int(clamping: rawValue) }
}
