import AOFCore
import AOFEngine
import Glibc

extension FileSystem {
  /// Space is reserved by appending alone, so preallocation is a hint. What would change what a program reads
  /// is not supported.
  package func fallocate(_ handle: HandleID, mode: Int32, offset: UInt64, length: UInt64) throws(AofError) {
    guard case .log(let handle) = try handles.handle(handle) else {
      throw AofError(.unsupported, "a control file takes no space")
    }
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow, end <= LSN.max.rawValue else { throw AofError(.tooLarge, "the range ends past the largest LSN") }
    switch mode {
    case FALLOC_FL_KEEP_SIZE: return
    case 0 where end <= handle.aof.watermarks.tail.rawValue: return
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE: try trim(handle.aof, offset..<end)
    case 0: throw AofError(.unsupported, "a log never holds bytes that nobody wrote")
    default: throw AofError(.unsupported, "fallocate mode \(mode) is not for logs")
    }
  }

  /// Forgets the head of a log. Never waits for a lease: while this is answered, whoever else uses the file waits in
  /// the kernel.
  private func trim(_ aof: Aof, _ range: Range<UInt64>) throws(AofError) {
    let marks = aof.watermarks
    guard range.lowerBound <= marks.head.rawValue else {
      throw AofError(.unsupported, "a log can be trimmed at its head alone, which is LSN \(marks.head)")
    }
    // Where the page cache gathers writes it cannot do with a page that lacks its beginning.
    let unit = UInt64(options.gathersWrites ? max(Limits.trimUnit, options.pageSize) : Limits.trimUnit)
    // Also past the tail: whatever a page holds beside the range that was asked for, the kernel zeros the range in it.
    guard range.upperBound.isMultiple(of: unit) else {
      throw AofError(.invalidArgument, "a log is trimmed in whole pages of \(unit) bytes")
    }
    let end = min(range.upperBound, marks.tail.rawValue)
    do throws(AofError) {
      try aof.truncate(TruncationRequest(.head, at: LSN(rawValue: end - end % unit), timeout: .zero))
    } catch where error.code == .timedOut {
      throw AofError(
        .busy, "readers hold what is to go", remedy: "try again, or write 'trim' to .ctl/command, which waits for them",
        cause: error)
    }
  }

  /// SEEK_DATA and SEEK_HOLE: a log is data from its head to its tail, wherever the bytes lie.
  package func lseek(_ handle: HandleID, offset: Int64, whence: Int32) throws(AofError) -> Int64 {
    guard case .log(let handle) = try handles.handle(handle) else {
      throw AofError(.invalidArgument, "a control file has no holes")
    }
    let marks = handle.aof.watermarks
    return try Self.seek(offset, whence, head: Int64(marks.head.rawValue), tail: Int64(marks.tail.rawValue))
  }

  static func seek(_ offset: Int64, _ whence: Int32, head: Int64, tail: Int64) throws(AofError) -> Int64 {
    guard whence == SEEK_DATA || whence == SEEK_HOLE else {
      throw AofError(.invalidArgument, "whence \(whence) is not SEEK_DATA or SEEK_HOLE")
    }
    guard offset >= 0, offset < tail else { throw AofError(.system(errno: ENXIO), "offset \(offset) is past the tail") }
    if whence == SEEK_DATA { return max(offset, head) }
    return offset < head ? offset : tail
  }
}

/// The ioctl(2) requests that `lsattr` and `chattr` send.
enum AttributeIoctl {
  /// FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, as 64-bit programs number them, and 32-bit ones.
  static let getFlags: Set<UInt32> = [0x8008_6601, 0x8004_6601]
  static let setFlags: Set<UInt32> = [0x4008_6602, 0x4004_6602]

  /// FS_IOC_FSGETXATTR: the kernel asks for it before it sends the flags of `chattr`.
  static let getExtendedFlags: UInt32 = 0x801c_581f

  /// FS_APPEND_FL.
  static let appendOnly: UInt32 = 0x20
  /// FS_XFLAG_APPEND.
  static let extendedAppendOnly: UInt32 = 0x10
}

extension FileSystem {
  /// Answers an ioctl with the number that the structure handed back begins with, the rest being zeros; nil
  /// where nothing is handed back.
  package func ioctl(_ node: NodeID, request: UInt32, flags: UInt32?) throws(AofError) -> UInt32? {
    let isLog = if node.isControl { false } else { try record(node).kind == .log }
    return try AttributeIoctl.answer(request, flags, isLog: isLog)
  }
}

extension AttributeIoctl {
  static func answer(_ request: UInt32, _ flags: UInt32?, isLog: Bool) throws(AofError) -> UInt32? {
    let fixed = isLog ? appendOnly : 0
    if getFlags.contains(request) { return fixed }
    if request == getExtendedFlags { return isLog ? extendedAppendOnly : 0 }
    if setFlags.contains(request), let flags {
      guard flags == fixed else {
        throw AofError(
          flags & appendOnly != fixed ? .notPermitted : .unsupported,
          "the attributes of a node cannot be changed")
      }
      return nil
    }
    throw AofError(.system(errno: ENOTTY), "ioctl \(request) is not for logs")
  }
}
