/// One thing that a simulation does. What exactly, its own seed decides, so that a script without some of its steps still
/// does the same in the others.
struct Step {
  enum Kind: String, CaseIterable {
    case append, appendLarge, appendBatch, sync, seal, checkpoint, checkpointAll, evict, hydrate, hydrateLater, read
    case readAll, create, rename, trim, truncate, discard, replace, restore, purge, passDays, startSegment, runJobs, setClock
    case powerCut, kill, close
    case failDisk, failSync, failRemote
  }

  let kind: Kind
  let seed: UInt64
}

/// What a seed does: its steps, and what they have in common.
struct Script {
  /// How long the appends of a script are.
  enum Lengths {
    /// All as long as each other, and their frames whole sectors: frames lie where those of an earlier life lay.
    case equal(Int)
    case mixed
  }

  let seed: UInt64
  let logs: Int
  let lengths: Lengths
  /// The quota of the local disk, in bytes, if it is one that the script's appends meet.
  let quota: Int?
  /// Whether some of the logs have their WAL in another directory.
  let hasTwoWals: Bool
  /// Whether the store is too large for snapshots of the remote's manifest.
  let hasSmallSnapshots: Bool
  var steps: [Step]

  /// How often each kind of step is taken, beside the others. Each script leaves some out.
  private static let weights: [Step.Kind: Int] = [
    .append: 40, .appendLarge: 6, .appendBatch: 5, .sync: 14, .seal: 4, .checkpoint: 4, .checkpointAll: 1, .evict: 4,
    .hydrate: 2, .hydrateLater: 2, .read: 6, .readAll: 1, .create: 1, .rename: 1, .trim: 3, .truncate: 3, .discard: 2, .replace: 1,
    .restore: 2, .purge: 2, .passDays: 1, .startSegment: 2, .runJobs: 4,
    .setClock: 1, .powerCut: 5, .kill: 3, .close: 2, .failDisk: 4, .failSync: 3,
    .failRemote: 4,
  ]

  /// `flaw`: one that is to be found, and so needs what reveals it more than other scripts do.
  init(seed: UInt64, revealing flaw: Flaw? = nil) {
    self.seed = seed
    var chance = Chance(seed)
    let isEqual = flaw?.hasConstantRandom ?? chance.one(in: 3)
    logs = isEqual && chance.one(in: 2) ? 1 : 1 + chance.below(3)
    lengths = isEqual ? .equal([448, 4032, 8128][chance.below(3)]) : .mixed
    // Of its own, so that a script's steps are not others for it.
    var storeChance = Chance(seed &+ 0x9e37_79b9_7f4a_7c15)
    quota = flaw == nil && storeChance.one(in: 3) ? (512 << 10) + storeChance.below(1 << 20) : nil
    hasTwoWals = flaw == nil && storeChance.one(in: 4)
    hasSmallSnapshots = storeChance.one(in: 4)
    var left = Self.weights
    // Failures make so much permissible that two scripts of three go without those of the disk.
    if !chance.one(in: 3) { (left[.failDisk], left[.failSync]) = (nil, nil) }
    if !chance.one(in: 3) { left[.failRemote] = nil }
    for kind in Step.Kind.allCases where kind != .append && kind != .powerCut && chance.one(in: 6) { left[kind] = nil }
    for kind in flaw?.revealing ?? [] { left[kind] = 20 }
    for kind in flaw?.hiding ?? [] { left[kind] = nil }
    let kinds = Step.Kind.allCases.flatMap { [Step.Kind](repeating: $0, count: left[$0] ?? 0) }
    steps = (0..<(30 + chance.below(50))).map { _ in Step(kind: kinds[chance.below(kinds.count)], seed: chance.next()) }
  }
}
