/// The standard library's pointer functions rethrow any error; these keep the type.
extension Array {
  package func withTypedBuffer<Result>(
    _ body: (UnsafeBufferPointer<Element>) throws(AofError) -> Result
  ) throws(AofError) -> Result {
    try withUnsafeBufferPointer { buffer in Swift.Result { () throws(AofError) in try body(buffer) } }.get()
  }

  package mutating func withTypedMutableBuffer<Result>(
    _ body: (inout UnsafeMutableBufferPointer<Element>) throws(AofError) -> Result
  ) throws(AofError) -> Result {
    try withUnsafeMutableBufferPointer { buffer in
      do throws(AofError) { return Swift.Result<Result, AofError>.success(try body(&buffer)) } catch { return .failure(error) }
    }.get()
  }
}

extension Array where Element == UInt8 {
  /// As `withUnsafeBytes`.
  package func withTypedBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws(AofError) -> Result
  ) throws(AofError) -> Result {
    try withUnsafeBytes { bytes in Swift.Result { () throws(AofError) in try body(bytes) } }.get()
  }

  /// As `withUnsafeMutableBytes`.
  package mutating func withTypedMutableBytes<Result>(
    _ body: (UnsafeMutableRawBufferPointer) throws(AofError) -> Result
  ) throws(AofError) -> Result {
    try withUnsafeMutableBytes { bytes in Swift.Result { () throws(AofError) in try body(bytes) } }.get()
  }
}
