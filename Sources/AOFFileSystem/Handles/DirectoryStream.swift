import AOFCore
import AOFSystem

/// One name of a directory.
package struct DirectoryEntry: Hashable, Sendable {
  package var name: [UInt8]
  /// Nil where the number is made only by looking the name up.
  package var node: NodeID?
  package var kind: FileAttributes.Kind
}

/// An open directory: the names as they were when reading began, so that positions mean the same names
/// however the directory changes meanwhile. Reading from the start again looks anew.
final class DirectoryStream: Sendable {
  let node: NodeID
  private let take: @Sendable () -> [DirectoryEntry]
  private let snapshot = Lock<[DirectoryEntry]?>(nil)

  init(node: NodeID, take: @escaping @Sendable () -> [DirectoryEntry]) {
    self.node = node
    self.take = take
  }

  /// Calls `body` with each entry from `position` on, and the position after it, until it returns false.
  /// `position` is 0 or one that `body` got.
  func forEach(from position: UInt64, _ body: (DirectoryEntry, UInt64) -> Bool) {
    let names: [DirectoryEntry]
    if position > 0, let known = snapshot.withLock({ $0 }) {
      names = known
    } else {
      let new = take()
      snapshot.withLock { $0 = new }
      names = new
    }
    guard position < UInt64(names.count) else { return }
    for index in Int(position)..<names.count {
      guard body(names[index], UInt64(index) + 1) else { return }
    }
  }
}
