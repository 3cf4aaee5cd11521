import AOFCore
import Glibc

/// What the command ends with; docs/COMMAND.md has the table. The one place where it is decided.
///
/// It follows from the errno, so that a command answers the same for a store that is mounted, whose
/// control files can say no more than an errno, and for one that is not.
enum AofsExitCode: Int32, CaseIterable {
  case done = 0
  case failed = 1
  case usage = 64
  case notFound = 66
  case unavailable = 69
  case exists = 73
  case inputOutput = 74
  case tryAgain = 75
  case version = 76
  case notPermitted = 77

  init(_ error: AofError) { self.init(errno: error.errno) }

  init(errno: Int32) {
    self =
      switch errno {
      case 0: .done
      case EINVAL, ENAMETOOLONG, EFBIG: .usage
      case ENOENT, ENOTDIR, EISDIR, ENODATA: .notFound
      case ENOTCONN, ESTALE, EOPNOTSUPP, ENODEV: .unavailable
      case EEXIST, ENOTEMPTY: .exists
      case EIO, ENOSPC, EDQUOT: .inputOutput
      case EBUSY, ETIMEDOUT, EINTR, EAGAIN: .tryAgain
      case EPROTONOSUPPORT: .version
      case EPERM, EACCES, EROFS: .notPermitted
      default: .failed
      }
  }
}
