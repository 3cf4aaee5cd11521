extension Duration {
  /// Rounded up, for waits; what no wait could last is cut.
  package var wholeMilliseconds: Int {
    let (seconds, attoseconds) = components
    return Int(clamping: min(max(seconds, 0), 1 << 31) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
  }
}
