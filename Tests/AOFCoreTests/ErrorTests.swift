import AOFCore
import Glibc
import Testing

@Suite struct ErrorTests {
  static let table: [(AofError.Code, Int32)] = [
    (.invalidArgument, EINVAL), (.notAStore, EINVAL), (.notFound, ENOENT), (.alreadyExists, EEXIST),
    (.notPermitted, EPERM), (.notAtTail, EPERM), (.notADirectory, ENOTDIR), (.isADirectory, EISDIR),
    (.notEmpty, ENOTEMPTY), (.nameTooLong, ENAMETOOLONG), (.tooLarge, EFBIG), (.belowHead, ENODATA),
    (.noData, ENODATA), (.noSpace, ENOSPC), (.quotaExceeded, EDQUOT), (.corrupt, EIO), (.localFailure, EIO),
    (.remoteFailure, EIO), (.fenced, ESTALE), (.readOnly, EROFS), (.timedOut, ETIMEDOUT), (.interrupted, EINTR),
    (.busy, EBUSY), (.locked, EBUSY), (.newerVersion, EPROTONOSUPPORT), (.unsupported, EOPNOTSUPP),
    (.system(errno: ENOTCONN), ENOTCONN), (.system(errno: 0), 0),
  ]

  @Test("The errno that a program sees", arguments: table)
  func errno(_ code: AofError.Code, _ errno: Int32) {
    #expect(AofError(code, "").errno == errno)
  }

  @Test(arguments: [
    (ENOSPC, AofError.Code.noSpace), (EDQUOT, .quotaExceeded), (EIO, .localFailure), (EROFS, .readOnly),
    (EINTR, .interrupted), (ENOENT, .notFound), (EEXIST, .alreadyExists), (EACCES, .system(errno: EACCES)),
  ] as [(Int32, AofError.Code)])
  func systemCalls(_ errno: Int32, _ code: AofError.Code) {
    let error = AofError.systemCall("open", "/x", errno: errno)
    #expect(error.code == code)
    #expect(error.errno == errno)
    #expect(error.message.hasPrefix("open /x: "))
    #expect(error.place.hasSuffix("ErrorTests.swift:26"), "\(error.place)")
  }

  @Test func description() {
    let below = AofError(.corrupt, "a page is damaged")
    #expect("\(AofError(.busy, "it is busy"))" == "it is busy")
    #expect(
      "\(AofError(.busy, "it is busy", remedy: "wait", cause: below))" == "it is busy (a page is damaged); wait")
  }
}
