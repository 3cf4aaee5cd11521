import AOFCore
import AOFFormat

/// An element of the remote's manifest chain.
enum ManifestRecordTarget {
  private static let storeID = "00112233445566778899aabbccddeeff"

  static func run(_ input: [UInt8]) throws(Finding) {
    for sequence: UInt64 in [1, 7] {
      let record = try decoded(codes: [.corrupt, .newerVersion, .notAStore]) { () throws(AofError) in
        try RemoteManifestRecord(decoding: input, storeID: storeID, sequence: sequence)
      }
      if let record { try roundTrip(record) }
    }
    var source = ByteSource(input)
    try roundTrip(record(&source))
  }

  private static func roundTrip(_ record: RemoteManifestRecord) throws(Finding) {
    let bytes = try accepted("a record") { () throws(AofError) in try record.encode() }
    let again = try accepted("a record that was written") { () throws(AofError) in
      try RemoteManifestRecord(decoding: bytes, storeID: record.storeID, sequence: record.sequence)
    }
    try promise(again == record, "a record that was written is read otherwise")
    try promise(
      try accepted("a record") { () throws(AofError) in try again.encode() } == bytes, "equal records, other bytes")
  }

  private static func record(_ source: inout ByteSource) -> RemoteManifestRecord {
    var record = RemoteManifestRecord(
      storeID: storeID, sequence: max(1, source.number()), epoch: max(1, source.number()),
      writerNonce: source.number(), kind: source.bool() ? .delta : .snapshot,
      time: UnixTime(rawValue: source.number()))
    for _ in 0..<source.number(in: 0...3) {
      if let path = path(&source) {
        record.directories.append(
          RemoteDirectoryRecord(id: NodeID(rawValue: source.number()), path: path, attributes: attributes(&source)))
      }
      if let path = path(&source), !path.names.isEmpty {
        let head = LSN(rawValue: source.number(UInt64.self) >> 1)
        record.logs.append(
          RemoteLogRecord(
            id: LogID(rawValue: source.number()), path: path, attributes: attributes(&source), chunkSize: .standard,
            generation: Generation(rawValue: source.number()), headLSN: head,
            remoteLSN: max(head, LSN(rawValue: source.number(UInt64.self) >> 1))))
      }
      let frames = UInt32(source.number(in: 1...1_000_000))
      if let key = ObjectKeyTarget.key(&source) {
        record.extents.append(
          RemoteExtentRecord(
            key: key, objectSize: UInt64(RemoteFormat.trailerSize(frameCount: frames)) + 1 + UInt64(source.number(UInt32.self)),
            objectCRC32C: source.number(), frameCount: frames))
        if record.kind == .delta { record.droppedObjects.append(key) }
      }
      if record.kind == .delta { record.removedNodes.append(NodeID(rawValue: source.number())) }
    }
    return record
  }

  private static func path(_ source: inout ByteSource) -> LogPath? {
    let count = source.number(in: 0...20)
    return try? LogPath(source.bytes(count))
  }

  private static func attributes(_ source: inout ByteSource) -> RemoteNodeAttributes {
    RemoteNodeAttributes(
      mode: source.number(UInt32.self) & 0o7777, userID: source.number(), groupID: source.number(),
      accessTime: UnixTime(rawValue: source.number()), modificationTime: UnixTime(rawValue: source.number()),
      changeTime: UnixTime(rawValue: source.number()))
  }

  static var seeds: [[UInt8]] {
    [UInt64(1), 3, 7].map { number in
      var bytes: [UInt8] = []
      for index in 0..<64 { bytes.append(number: number &* 0x0102_0304_0506_0708 &* UInt64(index)) }
      bytes.replace(at: 0, with: number)
      var source = ByteSource(bytes)
      return (try? record(&source).encode()) ?? bytes
    } + [Array("{\"version\":1}".utf8), Array("{\"version\":2}".utf8), Array("[".utf8)]
  }
}

/// `aofs.json`.
enum StoreHeaderTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    let header = try decoded(codes: [.corrupt, .newerVersion, .notAStore]) { () throws(AofError) in
      try RemoteStoreHeader(decoding: input)
    }
    if let header { try roundTrip(header) }
    let built = try decoded(codes: [.invalidArgument]) { () throws(AofError) in
      try RemoteStoreHeader(storeID: String(decoding: input, as: UTF8.self))
    }
    if let built { try roundTrip(built) }
    try roundTripOfPath(input)
  }

  private static func roundTrip(_ header: RemoteStoreHeader) throws(Finding) {
    let bytes = try accepted("a header") { () throws(AofError) in try header.encode() }
    try promise(bytes.count <= RemoteStoreHeader.maximumSize, "a header of \(bytes.count) bytes")
    let again = try accepted("a header that was written") { () throws(AofError) in
      try RemoteStoreHeader(decoding: bytes)
    }
    try promise(again == header, "a header that was written is read otherwise")
  }

  /// Names are bytes, JSON is text.
  private static func roundTripOfPath(_ bytes: [UInt8]) throws(Finding) {
    try promise(PercentEscaping.unescape(PercentEscaping.escape(bytes)) == bytes, "an escaped path is another")
    let text = String(decoding: bytes, as: UTF8.self)
    if let path = PercentEscaping.unescape(text) {
      try promise(PercentEscaping.escape(path) == text, "two texts are the same path")
    }
  }

  static var seeds: [[UInt8]] {
    ["{\"format\":\"aofs\",\"store_id\":\"0123-abc\",\"version\":1}", "{\"version\":1}", "a%20b/%FF", "%2", "{}"]
      .map { Array($0.utf8) }
  }
}

/// Names of objects.
enum ObjectKeyTarget {
  static func run(_ input: [UInt8]) throws(Finding) {
    let text = String(decoding: input, as: UTF8.self)
    let parsed = try decoded(codes: [.corrupt]) { () throws(AofError) in try ObjectKey(parsing: text) }
    if let parsed {
      try promise(parsed.text == text, "a key that was read is written otherwise")
      try promise(!parsed.range.isEmpty && parsed.range.upperBound <= .max, "a key of an impossible range")
    }
    if let sequence = RemoteManifestRecord.sequence(ofKey: text) {
      try promise(RemoteManifestRecord.key(sequence: sequence) == text && sequence > 0, "another record's key")
    }
    if let id = StoreID(text) { try promise(StoreID(id.description) == id, "a store id is read otherwise") }
    var source = ByteSource(input)
    guard let key = key(&source) else { return }
    try promise(
      try accepted("a key that was written") { () throws(AofError) in try ObjectKey(parsing: key.text) } == key,
      "a key that was written is read otherwise")
  }

  static func key(_ source: inout ByteSource) -> ObjectKey? {
    let first = LSN(rawValue: source.number(UInt64.self) >> 1)
    guard let end = first.advanced(byAtMost: source.number(in: 1...(1 << 31))) else { return nil }
    let chunk = ChunkID(rawValue: source.number())
    guard chunk != .tail else { return nil }
    return ObjectKey(
      log: LogID(rawValue: source.number()), chunk: chunk, range: first..<end,
      generation: Generation(rawValue: source.number()), epoch: source.number(), random: source.number())
  }

  static var seeds: [[UInt8]] {
    var source = ByteSource((1...64).map { UInt8($0) })
    return [
      key(&source)?.text ?? "", RemoteManifestRecord.key(sequence: 42), "chunks/2/0/1-2-0-1-a.zst",
      "0123456789abcdef0123456789abcdef", "",
    ].map { Array($0.utf8) }
  }
}
