import CCrypto

/// SHA-256, as signatures use it. libcrypto's: it uses the processor's instructions.
enum Digest {
  static let length = Int(SHA256_DIGEST_LENGTH)

  static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: length) { digest, count in
      SHA256(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, digest.baseAddress)
      count = length
    }
  }

  static func hmac(_ key: [UInt8], _ text: String) -> [UInt8] {
    var text = text
    return text.withUTF8 { text in
      [UInt8](unsafeUninitializedCapacity: length) { digest, count in
        HMAC(EVP_sha256(), key, Int32(key.count), text.baseAddress, text.count, digest.baseAddress, nil)
        count = length
      }
    }
  }

  /// Lower-case hexadecimal digits.
  static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".unicodeScalars)
    return bytes.reduce(into: "") { text, byte in
      text.unicodeScalars.append(digits[Int(byte >> 4)])
      text.unicodeScalars.append(digits[Int(byte & 15)])
    }
  }

  /// Of a text, in hexadecimal digits.
  static func hexSHA256(_ text: String) -> String {
    var text = text
    return text.withUTF8 { hex(sha256(UnsafeRawBufferPointer($0))) }
  }

  /// Of a body, in hexadecimal digits; nil is a body without bytes.
  static func hexSHA256(_ bytes: UnsafeRawBufferPointer?) -> String {
    hex(sha256(bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)))
  }
}
