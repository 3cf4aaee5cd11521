import AOFCore
import Foundation
import GRDB

extension Manifest {
  /// All names of the store. - Throws: `corrupt` for impossible ones.
  package func nodes() throws(AofError) -> [NodeRecord] {
    let rows = try read { try Row.fetchAll($0, sql: "SELECT * FROM nodes ORDER BY id") }
    var nodes: [NodeRecord] = []
    nodes.reserveCapacity(rows.count)
    for row in rows { nodes.append(try Self.node(row)) }
    return nodes
  }

  /// Adds a directory. Its id comes from ``reserveNodeID()``.
  package func addDirectory(_ node: NodeRecord) throws(AofError) {
    try write { try Self.insert(node, $0) }
  }

  /// Adds a log and its name in one transaction.
  package func addLog(_ node: NodeRecord, _ log: AofDescriptorRecord) throws(AofError) {
    try write { database in
      try Self.insert(node, database)
      try Self.insert(log, database)
    }
  }

  /// A node id that was never used before, and never will be by anybody else.
  package func reserveNodeID() throws(AofError) -> NodeID {
    try write { database in
      let next = try Int64.fetchOne(database, sql: "SELECT value FROM counters WHERE name = 'next_node'") ?? 2
      try database.execute(sql: "UPDATE counters SET value = value + 1 WHERE name = 'next_node'")
      return NodeID(rawValue: UInt64(next))
    }
  }

  /// Gives a node another place in the tree, first removing the empty directory that stands there.
  package func move(
    _ id: NodeID, to name: EntryName, in parent: NodeID, replacing replaced: NodeID?
  ) throws(AofError) {
    try write { database in
      if let replaced {
        try database.execute(sql: "DELETE FROM nodes WHERE id = ?", arguments: [Int64(replaced.rawValue)])
      }
      try database.execute(
        sql: "UPDATE nodes SET parent = ?, name = ? WHERE id = ?",
        arguments: [Int64(parent.rawValue), Data(name.bytes), Int64(id.rawValue)])
    }
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
      }
    }
  }

  package func removeDirectory(_ id: NodeID) throws(AofError) {
    try write {
      try $0.execute(
        sql: "DELETE FROM nodes WHERE id = ? AND kind = ?",
        arguments: [Int64(id.rawValue), NodeKind.directory.rawValue])
    }
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

  private static func node(_ row: Row) throws(AofError) -> NodeRecord {
    guard let kind = NodeKind(rawValue: row["kind"]) else {
      throw AofError(.corrupt, "the manifest has a node of an unknown kind")
    }
    let name: Data? = row["name"]
    return NodeRecord(
      id: NodeID(rawValue: UInt64(bitPattern: row["id"])), kind: kind,
      parent: NodeID(rawValue: UInt64(bitPattern: row["parent"])),
      name: try name.map { data throws(AofError) in try EntryName(Array(data)) },
      attributes: NodeAttributes(
        mode: UInt32(truncatingIfNeeded: row["mode"] as Int64),
        userID: UInt32(truncatingIfNeeded: row["uid"] as Int64),
        groupID: UInt32(truncatingIfNeeded: row["gid"] as Int64),
        accessTime: UnixTime(rawValue: row["atime"]), modificationTime: UnixTime(rawValue: row["mtime"]),
        changeTime: UnixTime(rawValue: row["ctime"])))
  }
}
