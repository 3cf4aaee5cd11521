import AOFCore
import AOFEngine
import GRDB

/// Mistakes that are planted between two openings.
extension Simulation {
  /// Opens and closes the store as an engine would that starts no generation where it cuts a log, and goes on in the very
  /// segment that it has just read.
  func recoverForgettingGenerations() throws {
    guard disk.exists(disk.root + "/manifest.sqlite") else { return }
    let last = disk.names.keys.filter { $0.hasSuffix(".wal") }.max()
    try open().close()
    let database = try DatabaseQueue(path: disk.root + "/manifest.sqlite")
    try database.write { try $0.execute(sql: "UPDATE logs SET generation = 0, generation_start = 0") }
    try database.close()
    for name in disk.names.keys.sorted() where name.hasSuffix(".spare") && last.map({ $0 + ".spare" }) != name {
      try disk.remove(disk.root + name)
    }
  }
}
