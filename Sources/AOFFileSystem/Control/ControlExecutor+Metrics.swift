import AOFControl
import AOFCore
import AOFEngine
import AOFSystem

/// `.ctl/metrics`. Names, kinds and units are promises: docs/OPERATING.md has a row for each.
extension ControlExecutor {
  package func metricsText() -> String {
    let measures = manager.measure()
    let now = UnixTime.now
    var metrics = MetricsText()
    metrics.addInfo(
      "aofs_store_info", "The store that the metrics are of.",
      [("store", manager.path), ("store_id", manager.settings.storeID), ("remote", manager.settings.remote)])
    addLogs(measures, now, &metrics)
    addAppends(measures, &metrics)
    addCache(measures, &metrics)
    addRemote(measures.totals, &metrics)
    addReadAhead(measures, &metrics)
    addTruncations(measures.totals, &metrics)
    metrics.add(
      "aofs_errors_total", .counter, "What went wrong, by kind; .ctl/status and .ctl/events say more.", label: "kind",
      Incident.Kind.allCases.map { ($0.rawValue, measures.totals.errors[$0] ?? 0) })
    return metrics.text
  }

  private func addLogs(_ measures: StoreMeasures, _ now: UnixTime, _ metrics: inout MetricsText) {
    metrics.add(
      "aofs_logs", .gauge, "Logs, by whether they take appends.", label: "state",
      [("writable", UInt64(measures.writableLogs)), ("read_only", UInt64(measures.readOnlyLogs))])
    metrics.add(
      "aofs_upload_lag_bytes", .gauge, "Bytes of logs that the remote does not hold.", measures.unpublishedBytes)
    let lag = measures.oldestUnpublished.map { max(0, now.seconds(since: $0)) } ?? 0
    metrics.add(
      "aofs_upload_lag_seconds", .gauge, "Age of the oldest byte that the remote does not hold; 0 if it holds all.", lag)
    metrics.add(
      "aofs_dirty_bytes", .gauge, "Bytes that no sync has made durable yet: a power cut may take them.",
      measures.unsyncedBytes)
  }

  private func addAppends(_ measures: StoreMeasures, _ metrics: inout MetricsText) {
    let wal = measures.wal
    metrics.add("aofs_appends_total", .counter, "Appends.", wal.appends)
    metrics.add("aofs_append_bytes_total", .counter, "Bytes that were appended.", wal.appendedBytes)
    metrics.add(
      "aofs_wal_writes_total", .counter, "Writes to the write-ahead log; one takes all appends that came together.",
      wal.writes)
    metrics.add(
      "aofs_syncs_total", .counter, "Requests to sync that needed a flush; those with nothing to do are not counted.",
      wal.syncs)
    metrics.add("aofs_wal_flush_seconds", "Flushes of the write-ahead log; one serves all syncs that wait.", wal.flushes)
    metrics.add(
      "aofs_wal_failed", .gauge, "Write-ahead logs that failed: their logs take no appends until the next mount.",
      UInt64(measures.walFailures.count))
    metrics.add(
      "aofs_wal_segments", .gauge, "Segments of write-ahead logs that protect bytes.", UInt64(measures.walSegments))
  }

  private func addCache(_ measures: StoreMeasures, _ metrics: inout MetricsText) {
    metrics.add("aofs_cache_bytes", .gauge, "Bytes that logs take on the local disk.", measures.cacheBytes)
    metrics.add("aofs_cache_limit_bytes", .gauge, "The quota of the local cache.", measures.cacheLimit)
    metrics.add(
      "aofs_cache_hits_total", .counter, "Reads of sealed bytes that the local disk answered.", measures.readHits)
    metrics.add(
      "aofs_cache_misses_total", .counter, "Reads of sealed bytes that the remote had to answer.", measures.readMisses)
    let reads = measures.readHits &+ measures.readMisses
    metrics.add(
      "aofs_cache_hit_ratio", .gauge, "Hits among all reads of sealed bytes since the mount; 1 if there was none.",
      reads == 0 ? 1 : Double(measures.readHits) / Double(reads))
    metrics.add("aofs_evictions_total", .counter, "Evictions of one log.", measures.totals.evictions)
    metrics.add("aofs_evicted_bytes_total", .counter, "Bytes of logs that were evicted.", measures.totals.evictedBytes)
  }

  private func addRemote(_ totals: EngineTotals, _ metrics: inout MetricsText) {
    metrics.add("aofs_seal_seconds", "Seals.", totals.seals)
    metrics.add("aofs_checkpoint_seconds", "Checkpoints that went well.", totals.checkpoints)
    metrics.add(
      "aofs_checkpoint_failures_total", .counter, "Checkpoints in which something failed.", totals.failedCheckpoints)
    metrics.add(
      "aofs_last_checkpoint_timestamp_seconds", .gauge,
      "When the last checkpoint ended that went well, since 1970; 0 if there was none since the mount.",
      totals.lastCheckpoint.map { Double($0.time.rawValue) / 1e9 } ?? 0)
    metrics.add(
      "aofs_last_checkpoint_duration_seconds", .gauge, "How long the last checkpoint took that went well.",
      totals.lastCheckpoint?.took.inSeconds ?? 0)
    metrics.add("aofs_uploaded_objects_total", .counter, "Objects that were uploaded.", totals.uploadedObjects)
    metrics.add("aofs_uploaded_bytes_total", .counter, "Bytes of those objects, compressed.", totals.uploadedBytes)
    metrics.add("aofs_merged_extents_total", .counter, "Extents that were merged with others into one object.", totals.mergedExtents)
    metrics.add(
      "aofs_orphaned_objects_total", .counter, "Objects that were found in the remote, and that no manifest named.",
      totals.orphanedObjects)
    metrics.add(
      "aofs_abandoned_uploads_total", .counter, "Unfinished uploads that were given up in the remote.",
      totals.abandonedUploads)
    metrics.add("aofs_deleted_objects_total", .counter, "Objects that were deleted in the remote.", totals.deletedObjects)
    metrics.add("aofs_hydration_seconds", "Downloads of adjacent frames that went well.", totals.hydrations)
    metrics.add("aofs_hydration_failures_total", .counter, "Downloads that failed.", totals.failedHydrations)
    metrics.add("aofs_hydrated_bytes_total", .counter, "Bytes of logs that were downloaded.", totals.hydratedBytes)
  }

  private func addReadAhead(_ measures: StoreMeasures, _ metrics: inout MetricsText) {
    metrics.add(
      "aofs_prefetched_bytes_total", .counter, "Bytes of logs that were fetched before anybody asked for them.",
      measures.ahead.fetched)
    metrics.add(
      "aofs_prefetch_used_bytes_total", .counter, "Bytes of these that somebody read.", measures.ahead.used)
    metrics.add(
      "aofs_prefetch_wasted_bytes_total", .counter, "Bytes of these that went before anybody read them.",
      measures.ahead.wasted)
    metrics.add(
      "aofs_prefetch_memory_bytes", .gauge, "Memory that bytes from the remote take on their way.",
      UInt64(max(0, measures.memory.used)))
    metrics.add(
      "aofs_prefetch_memory_peak_bytes", .gauge, "The most that they have taken since the mount.",
      UInt64(measures.memory.peak))
    metrics.add(
      "aofs_prefetch_memory_limit_bytes", .gauge, "What they may take.", UInt64(measures.memory.budget))
  }

  private func addTruncations(_ totals: EngineTotals, _ metrics: inout MetricsText) {
    metrics.add("aofs_trims_total", .counter, "Logs that were trimmed.", totals.trims)
    metrics.add("aofs_truncates_total", .counter, "Logs whose end was cut off.", totals.truncations)
  }
}

extension MetricsText {
  fileprivate mutating func add(_ name: String, _ help: String, _ durations: Durations) {
    add(
      name, help, bounds: Durations.bounds.map(\.inSeconds), counts: durations.counts, sum: durations.sum.inSeconds)
  }
}

extension UnixTime {
  fileprivate static var now: UnixTime { SystemClock().now() }
}
