import AOFCore

/// Events, added up since the store was opened.
package struct EngineTotals: Sendable {
  package private(set) var seals = Durations()
  /// Those that went well.
  package private(set) var checkpoints = Durations()
  package private(set) var failedCheckpoints: UInt64 = 0
  /// When the last one that went well ended, and how long it took.
  package private(set) var lastCheckpoint: (time: UnixTime, took: Duration)?
  package private(set) var uploadedBytes: UInt64 = 0
  package private(set) var uploadedObjects: UInt64 = 0
  /// Downloads that went well.
  package private(set) var hydrations = Durations()
  package private(set) var failedHydrations: UInt64 = 0
  /// Bytes of log that came back.
  package private(set) var hydratedBytes: UInt64 = 0
  package private(set) var evictions: UInt64 = 0
  package private(set) var evictedBytes: UInt64 = 0
  package private(set) var trims: UInt64 = 0
  package private(set) var truncations: UInt64 = 0
  /// Extents that became parts of others.
  package private(set) var mergedExtents: UInt64 = 0
  package private(set) var orphanedObjects: UInt64 = 0
  package private(set) var abandonedUploads: UInt64 = 0
  package private(set) var deletedObjects: UInt64 = 0
  package private(set) var errors: [Incident.Kind: UInt64] = [:]

  mutating func add(_ event: EngineEvent, at time: UnixTime) {
    if let kind = event.errorKind { errors[kind, default: 0] += 1 }
    switch event {
    case .seal(_, _, let took): seals.add(took)
    case .checkpoint(let checkpoint): add(checkpoint, at: time)
    case .hydration(_, let range, let took, nil):
      hydrations.add(took)
      hydratedBytes += UInt64(range.byteCount)
    case .hydration: failedHydrations += 1
    case .eviction(_, let bytes):
      evictions += 1
      evictedBytes += bytes.rawValue
    case .trim: trims += 1
    case .truncation: truncations += 1
    case .merger(_, _, let parts): mergedExtents += UInt64(parts)
    case .tidying(let tidying):
      orphanedObjects += UInt64(tidying.orphans)
      abandonedUploads += UInt64(tidying.uploads)
      deletedObjects += UInt64(tidying.deleted)
    case .discard, .restore, .purge, .incident, .mount, .unmount: break
    }
  }

  private mutating func add(_ checkpoint: EngineEvent.Checkpoint, at time: UnixTime) {
    uploadedObjects += UInt64(checkpoint.objects)
    uploadedBytes += checkpoint.bytes.rawValue
    guard checkpoint.failure == nil else { return failedCheckpoints += 1 }
    checkpoints.add(checkpoint.took)
    lastCheckpoint = (time, checkpoint.took)
  }
}
