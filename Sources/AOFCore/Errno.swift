import Glibc

extension AofError {
  /// The errno that a program sees. The one place where it is decided.
  public var errno: Int32 {
    switch code {
    case .invalidArgument, .notAStore: EINVAL
    case .notFound: ENOENT
    case .alreadyExists: EEXIST
    case .notPermitted, .notAtTail: EPERM
    case .notADirectory: ENOTDIR
    case .isADirectory: EISDIR
    case .notEmpty: ENOTEMPTY
    case .nameTooLong: ENAMETOOLONG
    case .tooLarge: EFBIG
    case .belowHead, .noData: ENODATA
    case .noSpace: ENOSPC
    case .quotaExceeded: EDQUOT
    case .corrupt, .localFailure, .remoteFailure: EIO
    case .fenced, .cutOff, .purged: ESTALE
    case .readOnly: EROFS
    case .timedOut: ETIMEDOUT
    case .interrupted: EINTR
    case .busy, .locked: EBUSY
    case .newerVersion: EPROTONOSUPPORT
    case .unsupported: EOPNOTSUPP
    case .system(let errno): errno
    }
  }

  /// Whether a file could not be opened for want of descriptors: that says nothing of the file.
  package var isShortageOfDescriptors: Bool { code == .system(errno: EMFILE) || code == .system(errno: ENFILE) }

  /// The error for a failed system call: full disks and quotas get their own codes, everything that
  /// can be put down to the disk is a local failure.
  public static func systemCall(
    _ call: String, _ path: String, errno: Int32, remedy: String = "", file: StaticString = #fileID,
    line: UInt = #line
  ) -> AofError {
    let code: Code =
      switch errno {
      case ENOSPC: .noSpace
      case EDQUOT: .quotaExceeded
      case EIO: .localFailure
      case EROFS: .readOnly
      case EINTR: .interrupted
      case ENOENT: .notFound
      case EEXIST: .alreadyExists
      default: .system(errno: errno)
      }
    return AofError(
      code, "\(call) \(path): \(String(cString: strerror(errno)))", remedy: remedy, file: file, line: line)
  }
}
