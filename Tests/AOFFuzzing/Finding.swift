/// A promise of a format that an input broke.
package struct Finding: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

/// Holds a target to a promise.
package func promise(_ isKept: Bool, _ what: @autoclosure () -> String) throws(Finding) {
  guard isKept else { throw Finding(what()) }
}
