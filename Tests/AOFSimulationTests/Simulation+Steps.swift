import AOFCore
import AOFEngine
import AOFSystem
import Glibc

/// What the steps of a script do.
extension Simulation {
  func take(_ step: Step) throws {
    guard !logs.isEmpty else { return try create("log-0") }
    let model = logs[machine.chance.below(logs.count)]
    switch step.kind {
    case .append: try append([piece(length())], to: model)
    case .appendLarge: try append([piece(1 + machine.chance.below(300_000))], to: model)
    case .appendBatch: try append((0...machine.chance.below(6)).map { _ in piece(length()) }, to: model)
    case .sync, .seal, .checkpoint, .checkpointAll, .startSegment: try makeDurable(step.kind, model)
    case .evict, .hydrate, .hydrateLater: try move(step.kind, model)
    case .read: try readSomewhere(model)
    case .readAll: try readEverything(model)
    case .create: try create("d-\(machine.chance.below(3))/log-\(logs.count + purged.count)")
    case .rename: try rename(model)
    case .trim: try trim(model)
    case .truncate: try truncate(model)
    case .discard: try discard(model)
    case .replace: try replace(model)
    case .restore: try restore(model)
    case .purge: try purge(model)
    case .passDays: setClock(Int64(machine.chance.below(10)) * 86_400_000_000_000)
    case .runJobs: while machine.queues[.maintenance]?.runNext() == true {}
    case .setClock: setClock((machine.chance.one(in: 2) ? 1 : -1) * Int64(machine.chance.below(10_000_000_000)))
    case .powerCut: machine.schedule(.powerCut, after: machine.chance.below(25))
    case .kill: machine.schedule(.kill, after: machine.chance.below(25))
    case .close: try close(endingSoon: someTime())
    case .failDisk: failDisk()
    case .failSync: machine.faults.append(Machine.Fault(kind: .sync, errno: EIO, skipped: machine.chance.below(3)))
    case .failRemote: failRemote()
    }
  }

  // MARK: Appending

  private func length() -> Int {
    if case .equal(let length) = script.lengths { return length }
    return 1 + machine.chance.below([100, 1000, 10_000, 60_000][machine.chance.below(4)])
  }

  private func piece(_ count: Int) -> [UInt8] { NoisePool.shared.piece(count, &machine.chance) }

  private func append(_ records: [[UInt8]], to model: LogModel) throws {
    guard let log = try log(model) else { return }
    machine.trace.add("  append \(records.map(\.count)) to \(model.name) at \(model.acknowledged)")
    var first = LSN.zero
    let isDone = try attemptWithinQuota("append") {
      first = try records.count == 1 ? log.append(records[0]) : log.appendBatch(records)[0]
    }
    if isDone {
      try require(first.offset == model.acknowledged, "an append landed at \(first), not at \(model.acknowledged)")
      model.append(records)
    } else if machine.end != nil || log.failure != nil {
      // A disk that takes back neither a write nor its erasure may bring both.
      model.begin(records)
    }
  }

  // MARK: Durability

  private func makeDurable(_ kind: Step.Kind, _ model: LogModel) throws {
    guard let log = try log(model) else { return }
    machine.trace.add("  \(kind.rawValue) \(model.name) at \(model.acknowledged)")
    switch kind {
    case .sync:
      if try attempt("sync", { try sync(log) }) { try acknowledge(model) } else { model.hasFailedSync = true }
    case .seal:
      if try attempt("seal", { try log.sealTail() }) {
        try acknowledge(model)
        try require(log.watermarks.sealed == log.tailLSN, "a seal left a part of the log unsealed")
      }
    case .checkpoint:
      if try attempt("checkpoint", { try log.checkpoint() }) { try acknowledgeRemote(model, log) }
    case .checkpointAll:
      guard let manager, try attempt("checkpoint of all", { try manager.checkpoint() }) else { return }
      for model in logs {
        if let log = try self.log(model) { try acknowledgeRemote(model, log) }
      }
    default:
      _ = try attempt("start of a segment") {
        try log.setTailSegment(try log.prepareTailSegment(startingAt: log.tailLSN))
      }
    }
  }

  /// Either way of syncing.
  private func sync(_ log: Aof) throws {
    guard machine.chance.one(in: 3) else { return try log.sync() }
    let answer = Lock<Result<Void, AofError>?>(nil)
    log.sync { failure in answer.withLock { $0 = failure.map { .failure($0) } ?? .success(()) } }
    guard let answer = answer.withLock({ $0 }) else { throw Violation(description: "a sync was never answered") }
    try answer.get()
  }

  private func acknowledge(_ model: LogModel) throws {
    try require(!model.hasFailedSync, "log \(model.name): a sync failed, and a later one was answered with success")
    model.acknowledge(durable: model.acknowledged)
  }

  private func acknowledgeRemote(_ model: LogModel, _ log: Aof) throws {
    try acknowledge(model)
    try require(
      log.watermarks.remote.offset == model.acknowledged,
      "log \(model.name): a checkpoint came up to \(log.watermarks.remote) of \(model.acknowledged)")
  }

  // MARK: Between disk and remote

  private func move(_ kind: Step.Kind, _ model: LogModel) throws {
    guard let log = try log(model) else { return }
    let start = model.head + machine.chance.below(model.acknowledged - model.head + 1)
    let end = start + machine.chance.below(model.acknowledged - start + 1)
    let range = LSN(rawValue: UInt64(start))..<LSN(rawValue: UInt64(end))
    machine.trace.add("  \(kind.rawValue) \(model.name) \(start)..<\(end)")
    switch kind {
    case .evict:
      let kept = machine.chance.one(in: 2) ? 0 : model.acknowledged - start
      _ = try attempt("eviction") { try log.evict(keepingLast: kept) }
    case .hydrate: _ = try attemptWithinQuota("hydration", needing: model.acknowledged - model.head) { try log.hydrate(machine.chance.one(in: 2) ? nil : range) }
    default:
      machine.queues[.hydration]?.isDeferring = true
      // Whether it succeeds is nobody's concern: what is not there will be asked for again.
      log.fetch(range) { _ in }
      machine.queues[.hydration]?.isDeferring = false
    }
  }

  // MARK: Forgetting

  private func trim(_ model: LogModel) throws {
    guard let log = try log(model) else { return }
    let lsn = machine.chance.below(model.acknowledged + 1)
    machine.trace.add("  trim \(model.name) to \(lsn)")
    let isDone = try attempt("trimming") {
      try log.truncate(TruncationRequest(.head, at: LSN(rawValue: UInt64(lsn)), timeout: .zero))
    }
    if isDone { model.trim(to: lsn) } else if machine.end != nil { model.beginTrim(to: lsn) }
  }

  private func truncate(_ model: LogModel) throws {
    guard let log = try log(model) else { return }
    let lsn = model.head + machine.chance.below(model.acknowledged - model.head + 1)
    machine.trace.add("  truncate \(model.name) at \(lsn)")
    let isDone = try attempt("truncation") {
      try log.truncate(TruncationRequest(.tail, at: LSN(rawValue: UInt64(lsn)), timeout: .zero))
    }
    if isDone { model.cut(at: lsn) } else if machine.end != nil { model.beginCut(at: lsn) }
  }

  // MARK: Names

  func create(_ name: String) throws {
    guard machine.end == nil, let manager else { return }
    let wal = script.hasTwoWals && machine.chance.one(in: 2) ? SimulatedDisk.elsewhere : nil
    machine.trace.add("  create \(name)" + (wal == nil ? "" : " with its WAL elsewhere"))
    let isDone = try attempt("creation") { try manager.createLog(AofConfig(name: name, walDirectory: wal)) }
    if isDone { logs.append(LogModel(name: name)) }
  }

  private func rename(_ model: LogModel) throws {
    guard machine.end == nil, let manager, !model.isInTrash, let node = manager.resolve(try LogPath(model.name)), let name = node.name
    else { return }
    let newName = "renamed-\(machine.chance.next())"
    machine.trace.add("  rename \(model.name) to \(newName)")
    let isDone = try attempt("renaming") {
      try manager.rename(name, in: node.parent, to: LogPath(newName).names[0], in: .root)
    }
    if isDone { model.name = newName }
  }

  // MARK: Failures

  private func failDisk() {
    let kinds: [Machine.Kind] = [.write, .write, .sync, .open, .allocate, .syncDirectory, .rename, .remove]
    let kind = kinds[machine.chance.below(kinds.count)]
    let errno = kind == .write && machine.chance.one(in: 2) ? ENOSPC : EIO
    machine.faults.append(Machine.Fault(kind: kind, errno: errno, skipped: machine.chance.below(6)))
  }

  private func failRemote() {
    let kinds: [Machine.Kind] = [.upload, .put, .get, .get]
    let kind = kinds[machine.chance.below(kinds.count)]
    let errno = kind == .get && machine.chance.one(in: 2) ? SimulatedRemote.wrongBytes : EIO
    machine.faults.append(Machine.Fault(kind: kind, errno: errno, skipped: machine.chance.below(3)))
  }
}
