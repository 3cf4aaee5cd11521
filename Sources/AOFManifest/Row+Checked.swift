import AOFCore
import GRDB

/// Columns of rows that may be damaged. GRDB's subscripts end the process at a value of another type; these throw.
extension Row {
  func checked<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
    try decode(Value.self, forColumn: column)
  }

  /// Ids and LSNs are stored as signed numbers and are never negative.
  func natural(_ column: String) throws -> UInt64 {
    let value: Int64 = try checked(column)
    guard value >= 0 else { throw ImpossibleContent(reason: "\(column) is \(value)") }
    return UInt64(value)
  }

  func lsn(_ column: String) throws -> LSN { LSN(rawValue: try natural(column)) }

  func time(_ column: String) throws -> UnixTime { UnixTime(rawValue: try checked(column)) }
}
