import AOFCore
import AOFEngine
import AOFSystem
import Foundation
import Logging

/// The real engine on a machine that is not real, doing what a script says, against a model of its logs.
final class Simulation {
  /// How a script ended.
  struct Outcome {
    let violation: Violation?
    let trace: Trace
  }

  let script: Script
  let flaw: Flaw?
  let remote: SimulatedRemote
  let clock = SimulatedClock()
  private let random: SimulatedRandom
  private(set) var machine: Machine
  private(set) var disk: SimulatedDisk
  private(set) var manager: AofManager?
  var logs: [LogModel] = []
  /// Logs that are gone for good.
  var purged: [LogID] = []
  /// Those of them whose purge was answered: nothing of them is left anywhere.
  var finishedPurges: [LogID] = []
  /// The folder of all lives' manifests.
  private let base: String
  private var life = 0
  /// Whether the ends since the last check may have lost what was not synced.
  private var losesUnsynced = false

  static func run(_ script: Script, flaw: Flaw? = nil) throws -> Outcome {
    let base = try makeBase()
    defer { try? FileManager.default.removeItem(atPath: base) }
    let simulation = Simulation(script, flaw, base)
    defer { simulation.machine.letGo() }
    do {
      try simulation.runSteps()
      return Outcome(violation: nil, trace: simulation.machine.trace)
    } catch let violation as Violation {
      return Outcome(violation: violation, trace: simulation.machine.trace)
    }
  }

  private static func makeBase() throws -> String {
    let memory = ProcessInfo.processInfo.environment["AOFS_TEST_MEMORY"]
    let parent = try PathFacts.absolute(memory ?? FileManager.default.temporaryDirectory.path)
    let base = parent + "/aof-simulation-\(UUID().uuidString)"
    try SystemDisk().makeDirectory(base)
    return base
  }

  private init(_ script: Script, _ flaw: Flaw?, _ base: String) {
    self.script = script
    self.flaw = flaw
    self.base = base
    machine = Machine(chance: Chance(script.seed), trace: Trace())
    random = SimulatedRandom(seed: script.seed, isConstant: flaw?.hasConstantRandom == true)
    remote = SimulatedRemote(machine: machine, flaw: flaw)
    disk = SimulatedDisk(root: base + "/0", machine: machine, flaw: flaw)
    prepareLife()
  }

  private func runSteps() throws {
    try openStore(endingSoon: someTime())
    for index in 0..<script.logs { try create("log-\(index)") }
    for (index, step) in script.steps.enumerated() {
      machine.chance = Chance(step.seed)
      machine.trace.add("step \(index): \(step.kind.rawValue)")
      try disk.saveManifestBefore()
      try take(step)
      try settle()
    }
    try finish()
  }

  /// Ends as peacefully as scripts do not, and looks at everything.
  private func finish() throws {
    machine.trace.add("finish")
    machine.endNow(.kill)
    try restart(endingSoon: nil)
    for model in logs { try readEverything(model) }
    try checkTidiness()
    for model in logs { try readEverything(model) }
    try close(endingSoon: nil)
    for model in logs { try readEverything(model) }
  }

  // MARK: Calling the engine

  /// Runs a call of the engine's. It may fail after a failure of the disk in this life or one of the remote in this
  /// call, and when its life ends.
  /// - Returns: whether it succeeded.
  func attempt(_ what: String, _ body: () throws -> Void) throws -> Bool {
    let remoteFailures = machine.remoteFailures
    do {
      try body()
    } catch let error as AofError {
      if machine.end != nil { return false }
      machine.trace.add("  \(what) failed: \(error)".replacingOccurrences(of: base, with: ""))
      try require(
        machine.localFailures > 0 || machine.remoteFailures > remoteFailures, "\(what) failed without a cause: \(error)")
      return false
    }
    return machine.end == nil
  }

  func log(_ model: LogModel) throws -> Aof? {
    guard machine.end == nil, let manager else { return nil }
    if let id = model.trashed { return try manager.log(id) }
    return try manager.openLog(model.name)
  }

  /// What follows each step: a life that ended is followed by the next, and otherwise the watermarks hold.
  private func settle() throws {
    if machine.end == nil, machine.chance.one(in: 3) { machine.queues[.maintenance]?.runNext() }
    if machine.end != nil { return try restart(endingSoon: someTime()) }
    try forgetPurged()
    for model in logs {
      if let log = try log(model) { try model.check(log) }
    }
    try checkQuota()
  }

  // MARK: Lives

  /// Closes the store, and begins the next life.
  func close(endingSoon: Int?) throws {
    guard let manager else { return }
    let isClosed = try attempt("close") { try manager.close() }
    if isClosed { for model in logs { model.acknowledge(durable: model.acknowledged) } }
    machine.endNow(.kill)
    try restart(endingSoon: endingSoon)
  }

  /// Begins the life that follows one that ended, and compares what it finds with the model.
  private func restart(endingSoon: Int?) throws {
    try beginNextLife()
    try openStore(endingSoon: endingSoon)
  }

  /// After how many operations a life that begins now is to end, if it is to end soon.
  func someTime() -> Int? { machine.chance.one(in: 4) ? machine.chance.below(60) : nil }

  private func beginNextLife() throws {
    losesUnsynced = losesUnsynced || machine.end == .powerCut || machine.localFailures > 0
    manager = nil
    let previous = machine
    machine = Machine(chance: previous.chance, trace: previous.trace)
    let root = base + "/\(life + 1)"
    let old = disk
    disk = try old.successor(root: root, machine: machine, manifest: savedManifest)
    try? FileManager.default.removeItem(atPath: old.root)
    try? FileManager.default.removeItem(atPath: savedManifest)
    life += 1
    prepareLife()
  }

  /// Where the manifest of the present life lies once that has ended.
  private var savedManifest: String { base + "/saved-\(life)" }

  private func prepareLife() {
    remote.machine = machine
    let (disk, directory) = (disk, savedManifest)
    machine.whenEnding = {
      try? SystemDisk().makeDirectory(directory)
      do { try disk.saveManifest(to: directory) } catch { preconditionFailure("\(error)") }
    }
  }

  /// Opens the store, as often as failures and ends come in between, and checks it. `endingSoon`: after how many
  /// operations the first of these lives ends.
  private func openStore(endingSoon: Int?) throws {
    try disk.saveManifestBefore()
    if let endingSoon { machine.schedule(machine.chance.one(in: 2) ? .powerCut : .kill, after: endingSoon) }
    while manager == nil {
      let isOpen = try attempt("open") {
        if flaw == .revivesCutFrames { try recoverForgettingGenerations() }
        manager = try open()
      }
      if !isOpen || machine.end != nil {
        machine.endNow(.kill)
        try beginNextLife()
      }
    }
    try forgetPurged()
    try checkNamedObjects()
    for model in logs {
      guard let log = try log(model) else { break }
      try model.adopt(log, losesUnsynced: losesUnsynced)
      if machine.chance.one(in: 2) { try readEverything(model) } else { try readEnd(model) }
    }
    // A life that ended meanwhile leaves logs that were not looked at.
    if machine.end == nil { losesUnsynced = false }
  }

  func open() throws -> AofManager {
    var options = StoreOptions()
    // A disk in memory sets no space aside.
    options.reserve = 0
    options.chunkSize = .minimum
    if let quota = script.quota {
      options.cacheSize = ByteCount(rawValue: UInt64(quota))
      options.prefetchMemory = .mebibytes(4)
    }
    return try AofManager.open(
      disk.root, options: options, logger: Logger(label: "simulation", factory: { _ in SwiftLogNoOpLogHandler() }),
      environment: environment, remote: remote)
  }

  private var environment: Environment {
    let (machine, random, clock) = (machine, random, clock)
    return Environment(
      disk: disk, clock: clock, random: { random.next() },
      makeQueue: { kind in
        let queue = SimulatedQueue(kind, machine, clock)
        machine.queues[kind] = queue
        return queue
      }, walSegmentSize: Self.segmentSize, logsSyncedTogether: 2,
      snapshotLimit: script.hasSmallSnapshots ? 2 : Limits.snapshotLimit)
  }

  /// Small, so that segments are filled and recycled all the time.
  static let segmentSize = 512 << 10

  func setClock(_ change: Int64) { clock.set(change) }
}
