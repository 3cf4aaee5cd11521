import AOFCore
import AOFManifest
import AOFSystem

/// Giving space back after the manifest has let go of bytes. A crash in between leaves bytes that mean nothing, and the
/// next opening frees them; so does a failure, which is an incident and no more.
extension Aof {
  /// Frees what the chunk files hold below the head. The caller does the log's maintenance.
  func freeBelowHead() {
    let head = state.withLock { $0.head }
    do throws(AofError) {
      try services.localChunks.removeChunks(of: id, below: chunkID(for: head))
      // The frame that the head cuts stays, for the sake of its checksum.
      let start = chunkStart(chunkID(for: head))
      let frame = LSN(rawValue: head.rawValue - head.rawValue % UInt64(Limits.frameSize))
      if start < frame { try services.localChunks.discard(start..<frame, of: id, chunkSize: chunkSize) }
    } catch {
      reportUnfreed("below the head", error)
    }
  }

  /// Frees what the chunk files hold past the tail. The caller does the log's maintenance, and is its
  /// only appender.
  func freePastTail() {
    do throws(AofError) {
      try services.localChunks.discard(of: id, from: tailLSN, chunkSize: chunkSize)
    } catch {
      reportUnfreed("past the tail", error)
    }
  }

  /// Frees what an earlier process may have left of a truncation, or of an append that came to nothing.
  func freeLeftovers() throws(AofError) {
    try underMaintenance { () throws(AofError) in
      freeBelowHead()
      try asOnlyAppender { () throws(AofError) in freePastTail() }
    }
  }

  private func reportUnfreed(_ place: String, _ error: AofError) {
    services.observation.report(error, "the space of log \(id) \(place) is not free yet")
  }
}

extension AofManager {
  /// Queues what is left to free of truncations that were cut short, and of appends that a crash has undone.
  func queueFreeingOfLeftovers() {
    services.maintenance.add { [self] in
      for record in state.withLock({ $0.descriptors.values.sorted { $0.id < $1.id } }) {
        do throws(AofError) {
          let hasBytes = try hasBytesPastTail(record)
          guard record.head > .zero || hasBytes else { continue }
          let log = try log(record.id)
          // One that takes no appends is left as it is.
          if log.failure == nil { try log.freeLeftovers() }
        } catch where error.code == .purged || error.code == .notFound {
          // It has no files any more.
        } catch {
          services.observation.report(error, "what is left of log \(record.id) beside its bytes was not freed")
        }
      }
    }
  }

  private func hasBytesPastTail(_ record: AofDescriptorRecord) throws(AofError) -> Bool {
    let tail = state.withLock { $0.open[record.id] }?.tailLSN ?? record.applied
    return try services.localChunks.hasBytes(of: record.id, from: tail, chunkSize: record.chunkSize)
  }
}
