/// Little-endian numbers in and out of raw memory. Offsets are the caller's own constants; memory that comes
/// from outside is measured before it is read.
extension UnsafeRawBufferPointer {
  @inline(__always)
  package func number<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type = Number.self) -> Number {
    Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
  }
}

extension UnsafeMutableRawBufferPointer {
  @inline(__always)
  package func store<Number: FixedWidthInteger>(_ number: Number, at offset: Int) {
    storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
  }
}
