import AOFCore
import AOFSystem
import Foundation
import Testing

@testable import AOFEngine

/// What a truncation on another thread comes to.
final class Outcome: Sendable {
  private let result = Monitor<Result<LSN, AofError>?>(nil)

  /// Truncates on a thread of its own.
  init(of request: TruncationRequest, on log: Aof) {
    Thread.detachNewThread { [result] in
      let outcome = Result { () throws(AofError) in try log.truncate(request) }
      result.change { $0 = outcome }
    }
  }

  /// Waits for it. A guard ends a wait that would hang.
  func get() throws -> LSN {
    try #require(result.wait(atMost: 60_000) { $0 }, "the truncation hangs").get()
  }

  /// Waits until the request waits for leases.
  func waitUntilWaiting(_ request: TruncationRequest) throws {
    try #require(request.state.wait(atMost: 60_000) { $0.leases > 0 ? true : nil } != nil, "nobody waits for a lease")
  }
}

/// A cursor that has read one byte, and so holds its chunk if that is sealed.
final class HeldCursor: @unchecked Sendable {  // used by one thread at a time: the tests hand it over
  private var cursor: AofCursor?

  init(_ log: Aof, at lsn: LSN) throws {
    var cursor = try log.openCursor(at: lsn)
    var byte: [UInt8] = [0]
    _ = try byte.withUnsafeMutableBytes { try cursor.read(into: $0) }
    self.cursor = consume cursor
  }

  func letGo() { cursor = nil }
}

/// A lease on a chunk, and nothing else.
final class HeldLease {
  private var lease: ChunkLease?

  init(_ log: Aof, chunk: UInt64) throws { lease = ChunkLease(try log.chunks.chunk(ChunkID(rawValue: chunk))) }

  func letGo() { lease = nil }
}

/// A read on a thread of its own.
final class Reading: Sendable {
  private let result = Monitor<Result<[UInt8], any Error>?>(nil)

  init(_ log: Aof, at lsn: LSN, count: Int) {
    Thread.detachNewThread { [result] in
      let outcome = Result { try log.bytes(at: lsn, count: count) }
      result.change { $0 = outcome }
    }
  }

  func get() throws -> [UInt8] { try #require(result.wait(atMost: 60_000) { $0 }, "the read hangs").get() }
}
