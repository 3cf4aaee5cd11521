/// The header `Content-Range` of an answer with a part of an object: `bytes 0-4/9`, where `9` may be `*`.
struct ContentRange: Equatable {
  let first: UInt64
  /// The last byte itself.
  let last: UInt64
  /// The object's size; nil if the server does not say it.
  let total: UInt64?

  /// Nil for none, and for what is no range of bytes.
  init?(_ text: String?) {
    guard let match = text?.wholeMatch(of: #/(?i)bytes\s+([0-9]+)-([0-9]+)/([0-9]+|\*)/#), let first = UInt64(match.1),
      let last = UInt64(match.2), first <= last
    else { return nil }
    self.first = first
    self.last = last
    total = UInt64(match.3)
    guard match.3 == "*" || total.map({ last < $0 }) == true else { return nil }
  }
}
