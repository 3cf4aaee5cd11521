/// When the remote's manifest chain gets a snapshot, from which whoever reads the chain begins.
enum ChainPolicy {
  /// Elements between two snapshots, at least: what a reader has to read one by one.
  static let shortestInterval: UInt64 = 256
  /// Logs and objects that an element may have to account for, of those in the snapshot: some 10 KB with each element.
  private static let entriesForEach = 32

  /// After how many elements a snapshot of so many logs and objects is due; nil if none may be written. `limit`: a snapshot of
  /// more would not fit into one object; the chain goes on without.
  static func interval(entries: Int, limit: Int) -> UInt64? {
    guard entries <= limit else { return nil }
    return max(shortestInterval, UInt64(entries / entriesForEach))
  }
}
