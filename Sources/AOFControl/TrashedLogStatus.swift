import AOFCore

/// What there is to know about a log in the trash.
package struct TrashedLogStatus: Hashable, Sendable {
  package let id: UInt64
  /// The path that it had.
  package let path: ReportedPath
  package let bytes: UInt64
  /// RFC 3339, UTC, as the next.
  package let deleted: String
  /// From when on it may be purged.
  package let purged: String

  package init(id: UInt64, path: ReportedPath, bytes: UInt64, deleted: String, purged: String) {
    self.id = id
    self.path = path
    self.bytes = bytes
    self.deleted = deleted
    self.purged = purged
  }

  /// A table for people; empty for an empty trash.
  package static func listing(_ logs: [TrashedLogStatus]) -> String {
    var table = TextTable([
      ("ID", .right), ("BYTES", .right), ("DELETED", .left), ("PURGED FROM", .left), ("LOG", .left),
    ])
    for log in logs {
      table.add(["\(log.id)", "\(log.bytes)", log.deleted, log.purged, ControlQuoting.readable(log.path.bytes)])
    }
    return logs.isEmpty ? "" : table.text
  }
}

extension TrashedLogStatus: Encodable {
  private enum Key: String, CodingKey {
    case id, path, bytes, deleted
    case pathBase64 = "path_base64"
    case purged = "purged_from"
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(id, forKey: .id)
    try values.encode(path.text, forKey: .path)
    try values.encodeIfPresent(path.base64, forKey: .pathBase64)
    try values.encode(bytes, forKey: .bytes)
    try values.encode(deleted, forKey: .deleted)
    try values.encode(purged, forKey: .purged)
  }
}
