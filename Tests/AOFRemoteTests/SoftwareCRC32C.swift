import AOFFormat

/// CRC32C bit by bit: slow, and independent of the one that the engine uses.
let softwareCRC32C: CRC32CFunction = { crc, bytes in
  var state = ~crc
  for byte in bytes {
    state ^= UInt32(byte)
    for _ in 0..<8 { state = state & 1 == 1 ? state >> 1 ^ 0x82F6_3B78 : state >> 1 }
  }
  return ~state
}
