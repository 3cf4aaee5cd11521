import AOFCore

/// What the schedule is made of. Only it changes these.
extension DownloadSchedule {
  /// What is to be done once the lock is let go of.
  struct Actions {
    var calls: [(Completion, Result<Void, AofError>)] = []
    /// Downloads whose memory is not needed any more.
    var freed: [Download] = []
    /// Downloads that those who are called have read then, to be released after the calls.
    var unpin: [UInt64] = []
    /// Bytes of log that read-ahead brought, or would have, and nobody will read of it.
    var wasted = 0
    /// Bytes of log that read-ahead fetches, and that somebody asked for.
    var used = 0
  }

  /// Somebody who waits for frames.
  struct Request {
    var remaining: Int
    var failure: AofError?
    /// Downloads whose bytes it is going to read.
    var pinned: [UInt64] = []
    let whenDone: Completion
  }

  struct PendingRead {
    let runs: [Run]
    let whenDone: Completion
  }

  struct Frame {
    let download: UInt64
    var isLoaded = false
    /// Requests to tell once its bytes are in memory, and once they are on the local disk.
    var readers: [UInt64] = []
    var fillers: [UInt64] = []
  }

  struct Entry {
    let download: Download
    /// Readers of its bytes.
    var pins = 0
    /// Nobody works on it any more.
    var isOver = false
    /// Some of its frames are nowhere but in memory.
    var isUnstored = false
    var isWanted = false
    /// Bytes of log that are on the local disk.
    var stored = 0
    var holdsCompressed = true
  }
}
