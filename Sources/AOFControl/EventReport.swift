import AOFCore
import Foundation

/// One line of the events file: what happened, with the fields that this kind of event has.
package struct EventReport: Encodable, Sendable {
  /// Counted from 0 since the store was opened.
  package var seq: UInt64?
  /// RFC 3339 with milliseconds, UTC.
  package var time: String?
  package var event: String
  package var log: ReportedPath?
  package var id: UInt64?
  package var from: UInt64?
  package var to: UInt64?
  package var lsn: UInt64?
  package var generation: UInt32?
  package var bytes: UInt64?
  package var logs: Int?
  package var objects: Int?
  package var extents: Int?
  package var orphans: Int?
  package var uploads: Int?
  package var deleted: Int?
  package var count: UInt64?
  package var seconds: Double?
  package var kind: String?
  package var message: String?
  package var error: String?
  package var mountPoint: String?

  package init(_ event: String) { self.event = event }

  private enum Key: String, CodingKey {
    case seq, time, event, log
    case logBase64 = "log_base64"
    case id, from, to, lsn, generation, bytes, logs, objects, extents, orphans, uploads, deleted, count, seconds, kind, message, error
    case mountPoint = "mount_point"
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encodeIfPresent(seq, forKey: .seq)
    try values.encodeIfPresent(time, forKey: .time)
    try values.encode(event, forKey: .event)
    try values.encodeIfPresent(log?.text, forKey: .log)
    try values.encodeIfPresent(log?.base64, forKey: .logBase64)
    try values.encodeIfPresent(id, forKey: .id)
    try values.encodeIfPresent(from, forKey: .from)
    try values.encodeIfPresent(to, forKey: .to)
    try values.encodeIfPresent(lsn, forKey: .lsn)
    try values.encodeIfPresent(generation, forKey: .generation)
    try values.encodeIfPresent(bytes, forKey: .bytes)
    try values.encodeIfPresent(logs, forKey: .logs)
    try values.encodeIfPresent(objects, forKey: .objects)
    try values.encodeIfPresent(extents, forKey: .extents)
    try values.encodeIfPresent(orphans, forKey: .orphans)
    try values.encodeIfPresent(uploads, forKey: .uploads)
    try values.encodeIfPresent(deleted, forKey: .deleted)
    try values.encodeIfPresent(count, forKey: .count)
    try values.encodeIfPresent(seconds, forKey: .seconds)
    try values.encodeIfPresent(kind, forKey: .kind)
    try values.encodeIfPresent(message, forKey: .message)
    try values.encodeIfPresent(error, forKey: .error)
    try values.encodeIfPresent(mountPoint, forKey: .mountPoint)
  }
}

extension ReportJSON {
  /// A report on one line, with its newline.
  package static func line(_ report: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return Array(try encoder.encode(report)) + [UInt8(ascii: "\n")]
    } catch {
      // As in `text`: there is nothing in a report that cannot be encoded.
      return Array("{\"error\":\"the report cannot be written as JSON\"}\n".utf8)
    }
  }
}
