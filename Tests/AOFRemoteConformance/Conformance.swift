import AOFCore
import AOFRemote

/// What every remote must do, whatever it is made of. Each case is given a store without objects.
public struct RemoteConformance: Sendable, CustomStringConvertible {
  public let description: String
  public let run: @Sendable (any RemoteStore) throws -> Void

  public static let all = objects + uploads + listings
}

/// What a case found.
public struct NotConforming: Error, CustomStringConvertible {
  public let description: String
}

/// Like `#expect(found == expected)`, but the case ends.
func check<Value: Equatable>(
  _ found: Value, is expected: Value, _ what: String = "", line: UInt = #line
) throws(NotConforming) {
  guard found != expected else { return }
  throw NotConforming(description: "line \(line): \(found) instead of \(expected) \(what)")
}

/// The code of the error that is thrown; nil if none is.
func code(_ body: () throws -> Void) -> AofError.Code? {
  do {
    try body()
    return nil
  } catch {
    return (error as? AofError)?.code
  }
}

extension RemoteStore {
  @discardableResult
  func put(_ text: String, as key: String, _ condition: RemoteCondition = .ifAbsent) throws -> RemoteOutcome {
    try Array(text.utf8).withUnsafeBytes { try put($0, as: RemoteKey(key), condition) }
  }

  func get(_ key: String) throws -> String? {
    try get(RemoteKey(key), limit: 1 << 20).map { String(decoding: $0, as: UTF8.self) }
  }

  func read(_ key: String, at offset: UInt64, count: Int) throws -> String {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try read(RemoteKey(key), at: offset, into: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }

  func keys(_ directory: String? = nil, after last: String? = nil, limit: Int = 100) throws -> [String] {
    try list(directory.map { try RemoteKey($0) }, after: last.map { try RemoteKey($0) }, limit: limit).map(\.key.text)
  }
}

extension RemoteUpload {
  func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }
}
