extension RandomAccessCollection where Index == Int {
  /// Its elements, at most `length` at a time.
  package func pieces(of length: Int) -> some Sequence<SubSequence> {
    stride(from: startIndex, to: endIndex, by: length).lazy.map { self[$0..<Swift.min(endIndex, $0 + length)] }
  }
}

extension [Range<LSN>] {
  /// Adds a range that lies behind the others; one that touches the last becomes a part of it.
  package mutating func join(_ range: Range<LSN>) {
    if let end = last, end.upperBound == range.lowerBound {
      self[count - 1] = end.lowerBound..<range.upperBound
    } else {
      append(range)
    }
  }
}
