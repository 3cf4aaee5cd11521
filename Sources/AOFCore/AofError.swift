/// What went wrong, and what to do about it.
///
/// The errno that a program sees is decided in one place, `Errno.swift`.
public struct AofError: Error, Sendable {
  /// The kind of failure. Decides errno and exit code.
  public enum Code: Hashable, Sendable {
    case invalidArgument
    case notFound
    case alreadyExists
    case notPermitted
    /// A write that would not land at the tail of its log.
    case notAtTail
    case notADirectory
    case isADirectory
    case notEmpty
    case nameTooLong
    /// An append past the largest LSN, or larger than one append may be.
    case tooLarge
    /// A read below the head of the log.
    case belowHead
    /// A read of a cursor that stands past where its log was cut meanwhile.
    case cutOff
    /// The log was in the trash, and was purged.
    case purged
    case noSpace
    case quotaExceeded
    /// Checksums disagree: bytes are damaged and were not served.
    case corrupt
    /// The local disk failed.
    case localFailure
    /// The remote failed or could not be reached.
    case remoteFailure
    /// Another writer has taken over the remote.
    case fenced
    case readOnly
    case timedOut
    case interrupted
    case busy
    /// Another process holds the store.
    case locked
    /// Something that is not a store of ours, or not where one was expected.
    case notAStore
    /// Written by a later version.
    case newerVersion
    case unsupported
    case noData
    /// A system call failed with this errno, where no case above says it better.
    case system(errno: Int32)
  }

  public let code: Code
  /// What happened, as a clause without a full stop.
  public let message: String
  /// What the reader can do about it; empty where nothing helps.
  public let remedy: String
  /// The error below this one.
  public let cause: (any Error & Sendable)?
  /// Where in the sources it was raised.
  public let place: String

  public init(
    _ code: Code, _ message: String, remedy: String = "", cause: (any Error & Sendable)? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.cause = cause
    place = "\(file):\(line)"
  }
}

extension AofError: CustomStringConvertible {
  /// One line for people: message, cause, remedy.
  public var description: String {
    var text = message
    if let cause { text += " (\(cause))" }
    if !remedy.isEmpty { text += "; \(remedy)" }
    return text
  }
}
