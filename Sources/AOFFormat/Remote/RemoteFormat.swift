/// The numbers of docs/format/chunk.md and docs/format/remote-layout.md.
package enum RemoteFormat {
  /// Version of the info frame in an object.
  package static let objectVersion: UInt32 = 1
  /// Version of aofs.json and of the manifest records.
  package static let layoutVersion = 1

  /// The longest content that a reader takes as one frame, in bytes.
  package static let maximumFrameLength = 1 << 20

  static let infoFrameMagic: UInt32 = 0x184D_2A50
  static let seekTableMagic: UInt32 = 0x184D_2A5E
  static let seekableMagic: UInt32 = 0x8F92_EAB1
  static let objectMagic = Array("aofs-obj".utf8)

  /// The bytes that follow the data frames of an object: info frame and seek table.
  package static func trailerSize(frameCount: UInt32) -> Int {
    ObjectInfo.encodedSize(frameCount: frameCount) + SeekTable.encodedSize(frameCount: frameCount)
  }
}

/// Continues a CRC32C (0 to begin) over more bytes. The instruction for it is C, which this module does not
/// import, so who encodes or decodes hands it in.
package typealias CRC32CFunction = @Sendable (_ crc: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32
