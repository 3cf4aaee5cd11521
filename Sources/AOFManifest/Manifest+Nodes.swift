import AOFCore
import Foundation
import GRDB

extension Manifest {
  /// All names of the store. - Throws: `corrupt` for impossible ones.
  package func nodes() throws(AofError) -> [NodeRecord] {
    try read { try Row.fetchAll($0, sql: "SELECT * FROM nodes ORDER BY id").map(Self.node) }
  }

  /// Adds a directory. Its id is ``nextNodeID()`` or later.
  package func addDirectory(_ node: NodeRecord) throws(AofError) {
    try write { database in
      try Self.insertNew(node, database)
      try Self.noteChange(of: node.id, database)
    }
  }

  /// Adds a log and its name in one transaction. The id as for ``addDirectory(_:)``.
  package func addLog(_ node: NodeRecord, _ log: AofDescriptorRecord) throws(AofError) {
    try write { database in
      try Self.insertNew(node, database)
      try Self.insert(log, isNews: true, database)
    }
  }

  /// The id that the next node may have: no node ever had it, or a later one. - Throws: `corrupt`.
  package func nextNodeID() throws(AofError) -> UInt64 {
    try read { database in
      let next = try Self.counter(Self.nextNode, database)
      guard next > NodeID.root.rawValue else { throw ImpossibleContent(reason: "the next node would be \(next)") }
      return next
    }
  }

  /// The id is used up in the same transaction, so that no node ever gets it again.
  private static func insertNew(_ node: NodeRecord, _ database: Database) throws {
    let next = try counter(nextNode, database)
    guard node.id.rawValue >= next, node.id.rawValue < UInt64(Int64.max) else {
      throw ImpossibleContent(reason: "node \(node.id) was to be added, and the next one is \(next)")
    }
    try insert(node, database)
    try database.execute(
      sql: "UPDATE counters SET value = ? WHERE name = ?", arguments: [Int64(node.id.rawValue) + 1, nextNode])
  }

  /// What a node that is moved takes the place of.
  package enum Replaced: Sendable {
    /// An empty directory, which is removed.
    case directory(NodeID)
    /// A log, which goes to the trash.
    case log(TrashRecord)
  }

  /// Gives a node another place in the tree, and takes what stands there away: one transaction.
  package func move(
    _ id: NodeID, to name: EntryName, in parent: NodeID, replacing replaced: Replaced?
  ) throws(AofError) {
    try write { database in
      switch replaced {
      case .directory(let directory): try Self.removeDirectory(directory, database)
      case .log(let record): try Self.discard(record, database)
      case nil: break
      }
      try Self.setPlace(of: id, parent, name, database)
      try Self.noteMove(of: id, database)
    }
  }

  static func setPlace(of id: NodeID, _ parent: NodeID, _ name: EntryName?, _ database: Database) throws {
    try database.execute(
      sql: "UPDATE nodes SET parent = ?, name = ? WHERE id = ?",
      arguments: [Int64(parent.rawValue), name.map { Data($0.bytes) }, Int64(id.rawValue)])
  }

  package func setAttributes(_ attributes: NodeAttributes, of id: NodeID) throws(AofError) {
    try setAttributes([id: attributes])
  }

  /// Records several nodes' attributes in one transaction.
  package func setAttributes(_ changes: [NodeID: NodeAttributes]) throws(AofError) {
    try write { database in
      for (id, attributes) in changes {
        try database.execute(
          sql: "UPDATE nodes SET mode = ?, uid = ?, gid = ?, atime = ?, mtime = ?, ctime = ? WHERE id = ?",
          arguments: [
            attributes.mode, attributes.userID, attributes.groupID, attributes.accessTime.rawValue,
            attributes.modificationTime.rawValue, attributes.changeTime.rawValue, Int64(id.rawValue),
          ])
        try Self.noteAttributes(of: id, database)
      }
    }
  }

  package func removeDirectory(_ id: NodeID) throws(AofError) {
    try write { try Self.removeDirectory(id, $0) }
  }

  private static func removeDirectory(_ id: NodeID, _ database: Database) throws {
    try database.execute(
      sql: "DELETE FROM nodes WHERE id = ? AND kind = ?", arguments: [Int64(id.rawValue), NodeKind.directory.rawValue])
    if database.changesCount > 0 { try noteChange(of: id, database) }
  }

  static func insert(_ node: NodeRecord, _ database: Database) throws {
    let attributes = node.attributes
    try database.execute(
      sql: "INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: [
        Int64(node.id.rawValue), node.kind.rawValue, Int64(node.parent.rawValue),
        node.name.map { Data($0.bytes) }, attributes.mode, attributes.userID, attributes.groupID,
        attributes.accessTime.rawValue, attributes.modificationTime.rawValue, attributes.changeTime.rawValue,
      ])
  }

  static func node(_ row: Row) throws -> NodeRecord {
    let id = NodeID(rawValue: try row.natural("id"))
    guard let kind = NodeKind(rawValue: try row.checked("kind")) else {
      throw ImpossibleContent(reason: "node \(id) is of an unknown kind")
    }
    let name: Data? = try row.checked("name")
    return NodeRecord(
      id: id, kind: kind, parent: NodeID(rawValue: try row.natural("parent")),
      name: try name.map { data in
        try ImpossibleContent.from("node \(id)") { () throws(AofError) in try EntryName(Array(data)) }
      },
      attributes: NodeAttributes(
        mode: try row.checked("mode"), userID: try row.checked("uid"), groupID: try row.checked("gid"),
        accessTime: try row.time("atime"), modificationTime: try row.time("mtime"),
        changeTime: try row.time("ctime")))
  }
}
