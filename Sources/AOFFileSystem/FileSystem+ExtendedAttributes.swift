import AOFCore
import AOFEngine
import AOFManifest

/// The extended attributes of a log, all read-only: `user.aof.<name>`.
package enum LogAttribute: String, CaseIterable, Sendable {
  case id
  case chunkSize = "chunk_size"
  case head = "head_lsn"
  case remote = "remote_lsn"
  case sealed = "sealed_lsn"
  case durable = "durable_lsn"
  case tail = "tail_lsn"
  case residency

  static let prefix = "user.aof."

  init?(attribute name: [UInt8]) {
    let text = String(decoding: name, as: UTF8.self)
    guard text.hasPrefix(Self.prefix) else { return nil }
    self.init(rawValue: String(text.dropFirst(Self.prefix.count)))
  }
}

extension FileSystem {
  package func getxattr(_ node: NodeID, _ name: [UInt8]) throws(AofError) -> [UInt8] {
    guard let attribute = LogAttribute(attribute: name), !node.isControl, let record = manager.node(node),
      record.kind == .log
    else { throw AofError(.noData, "no such attribute") }
    return Array(try value(of: attribute, manager.log(node)).utf8)
  }

  private func value(of attribute: LogAttribute, _ aof: Aof) throws(AofError) -> String {
    let marks = aof.watermarks
    return switch attribute {
    case .id: aof.id.description
    case .chunkSize: String(aof.chunkSize.byteCount.rawValue)
    case .head: marks.head.description
    case .remote: marks.remote.description
    case .sealed: marks.sealed.description
    case .durable: marks.durable.description
    case .tail: marks.tail.description
    case .residency: Self.residency(try aof.extents().map(\.residency)).rawValue
    }
  }

  /// The residency of a whole log: its tail is always on the local disk, so without sealed bytes it is resident.
  static func residency(_ extents: [ChunkResidency]) -> ChunkResidency {
    if extents.allSatisfy({ $0 == .resident }) { return .resident }
    return extents.allSatisfy { $0 == .evicted } ? .evicted : .partial
  }

  /// No names: what is made up from a log's state must not travel with its copies, and programs that copy
  /// attributes copy what they find here.
  package func listxattr(_ node: NodeID) throws(AofError) -> [UInt8] { [] }

  /// Ours are read-only, and file capabilities are refused; others have no place to be kept.
  package func changeAttribute(_ node: NodeID, _ name: [UInt8]) throws(AofError) {
    let text = String(decoding: name, as: UTF8.self)
    if text.hasPrefix(LogAttribute.prefix) || text == "security.capability" {
      throw AofError(.notPermitted, "attribute \(text) cannot be changed")
    }
    throw AofError(.unsupported, "extended attributes are not kept")
  }
}
