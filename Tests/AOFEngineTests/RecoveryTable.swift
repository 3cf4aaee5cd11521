import AOFCore
import AOFFormat
import AOFManifest
import AOFSystem
import Foundation

/// One row of the recovery table: what a WAL holds after a crash, and what becomes of it.
///
/// The WAL has a frame of each of two logs, then the *victim*, which is or seems to be the first log's, then maybe one frame
/// more. Everything that the decision depends on varies: all combinations are rows.
struct RecoveryCase: Hashable, CustomStringConvertible {
  enum Frame: CaseIterable {
    case sound
    /// The header is sound, the payload is not.
    case withoutBody
    /// No frame can be seen there.
    case withoutHeader
    /// The payload is to be in the chunk file, and is.
    case large
    /// The payload is to be in the chunk file, and is not.
    case largeWithoutPayload
  }

  enum Owner: CaseIterable {
    case present
    /// Of a generation that is not the log's.
    case anotherGeneration
    case unknownLog
  }

  /// Where the victim begins.
  enum Place: Int, CaseIterable {
    case atTail = 100
    case pastTail = 164
  }

  enum Follower: CaseIterable { case none, sameLog, otherLog, sameLogInNextSegment, otherLogInNextSegment }

  var frame: Frame
  var owner: Owner
  var place: Place
  var follower: Follower
  /// Whether the follower says that the WAL was durable past the victim.
  var isBelowMark: Bool
  /// Whether it says that its log was durable past the victim's first byte.
  var isBelowDurableLSN: Bool

  static var all: [RecoveryCase] {
    var cases: [RecoveryCase] = []
    for frame in Frame.allCases {
      for owner in Owner.allCases {
        for place in Place.allCases {
          for follower in Follower.allCases {
            for isBelowMark in follower == .none ? [false] : [false, true] {
              for isBelowDurableLSN in follower == .none ? [false] : [false, true] {
                cases.append(
                  RecoveryCase(
                    frame: frame, owner: owner, place: place, follower: follower, isBelowMark: isBelowMark,
                    isBelowDurableLSN: isBelowDurableLSN))
              }
            }
          }
        }
      }
    }
    return cases
  }

  var description: String {
    "\(frame), \(owner), \(place), then \(follower)\(isBelowMark ? ", below the mark" : "")"
      + (isBelowDurableLSN ? ", below the durable LSN" : "")
  }

  var isFollowedBySameLog: Bool { follower == .sameLog || follower == .sameLogInNextSegment }
  var isFollowedByOtherLog: Bool { follower == .otherLog || follower == .otherLogInNextSegment }
}

/// What becomes of a row: decided once more, from docs/format/wal.md and not from the engine.
struct RecoveryOutcome: Equatable {
  enum Report { case nothing, torn, damaged }

  /// Frames of the first log that are there: the first one, the victim, the follower.
  var frames = 1
  /// Frames of the other log.
  var otherFrames = 1
  var isCut = false
  var isOtherCut = false
  var isClosed = false
  var report = Report.nothing

  init() {}

  /// The table.
  init(_ row: RecoveryCase) {
    switch row.frame {
    case .withoutBody, .withoutHeader: judgePlace(row)
    case .sound, .large, .largeWithoutPayload: judgeFrame(row)
    }
  }

  private mutating func judgePlace(_ row: RecoveryCase) {
    if row.isBelowMark {
      report = .damaged
      // Whose bytes are missing says the header where it is sound, else the gap before the log's next frame.
      let isMissed = row.frame == .withoutBody && row.owner == .present
      isClosed = isMissed || row.isFollowedBySameLog
      if row.isFollowedByOtherLog { otherFrames = 2 }
    } else if row.follower != .none {
      report = .torn
      (isCut, isOtherCut) = (row.isFollowedBySameLog, row.isFollowedByOtherLog)
    } else if row.frame == .withoutBody {
      report = .torn
    }
  }

  private mutating func judgeFrame(_ row: RecoveryCase) {
    if row.isFollowedByOtherLog { otherFrames = 2 }
    switch (row.owner, row.place, row.frame) {
    case (.present, .pastTail, _): close()
    case (.present, .atTail, .largeWithoutPayload):
      if row.isFollowedBySameLog && row.isBelowDurableLSN { close() } else { cut() }
    case (.present, .atTail, _): frames = row.isFollowedBySameLog ? 3 : 2
    // The victim is skipped, and the follower goes on where it ended.
    default: if row.isFollowedBySameLog { close() }
    }
  }

  private mutating func close() {
    isClosed = true
    report = .damaged
  }

  private mutating func cut() {
    isCut = true
    report = .torn
  }
}

/// Writes the WAL of a row into a store that is closed.
struct RecoveryScene {
  static let segmentSize = 128 << 10
  private static let size = 100
  /// Larger than what stands in a frame, and within one piece.
  private static let largeSize = Limits.largestInlineAppend + 36

  let row: RecoveryCase
  let storeID: StoreID
  let firstSequence: UInt64
  let logs: (first: LogID, other: LogID)

  private var victimSize: Int { row.frame == .large || row.frame == .largeWithoutPayload ? Self.largeSize : Self.size }
  private var victim: [UInt8] { [UInt8](repeating: 2, count: victimSize) }
  private var follower: [UInt8] { [UInt8](repeating: 3, count: Self.size) }

  /// What the first log holds if that many of its frames are there.
  func contents(frames: Int) -> [UInt8] {
    let all = [[UInt8](repeating: 1, count: Self.size), victim, follower]
    return all[..<frames].flatMap { $0 }
  }

  func otherContents(frames: Int) -> [UInt8] {
    [UInt8](repeating: 9, count: Self.size) + (frames > 1 ? follower : [])
  }

  func write(to store: TestStore) throws {
    var first = SegmentWriter(sequence: firstSequence, base: .zero, storeID: storeID)
    first.add(logs.first, at: 0, contents(frames: 1))
    first.add(logs.other, at: 0, otherContents(frames: 1))
    let place = first.end
    addVictim(to: &first)
    if row.frame == .withoutBody { first.damage(place + WALFormat.frameHeaderSize) }
    if row.frame == .withoutHeader { first.damage(place + 20) }
    var next = SegmentWriter(sequence: firstSequence + 1, base: first.end, storeID: storeID)
    let isInNextSegment = row.follower == .sameLogInNextSegment || row.follower == .otherLogInNextSegment
    if isInNextSegment { addFollower(to: &next, mark: first.end) } else { addFollower(to: &first, mark: first.end) }
    try first.write(to: store)
    if isInNextSegment { try next.write(to: store) }
    if row.frame == .large { try writePayload(to: store) }
  }

  private func addVictim(to segment: inout SegmentWriter) {
    let log = row.owner == .unknownLog ? LogID(rawValue: 4711) : logs.first
    let generation = Generation(rawValue: row.owner == .anotherGeneration ? 5 : 0)
    let isLarge = victimSize > Self.size
    let checksum = victim.withUnsafeBytes { CRC32C.checksum($0) }
    segment.add(
      log, generation, at: row.place.rawValue, victim,
      checksums: isLarge ? withUnsafeBytes(of: checksum.littleEndian) { Array($0) } : nil)
  }

  private func addFollower(to segment: inout SegmentWriter, mark: WalPosition) {
    guard row.follower != .none else { return }
    let isSame = row.isFollowedBySameLog
    let lsn = isSame ? row.place.rawValue + victimSize : Self.size
    segment.add(
      isSame ? logs.first : logs.other, at: lsn, follower, mark: row.isBelowMark ? mark : .zero,
      durableLSN: row.isBelowDurableLSN ? (isSame ? row.place.rawValue + 1 : Self.size) : 0)
  }

  private func writePayload(to store: TestStore) throws {
    let directory = store.file(String(format: "chunks/%016lx", logs.first.rawValue))
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let hole = [UInt8](repeating: 0, count: row.place.rawValue)
    try Data(hole + victim).write(to: directory.appendingPathComponent("0000000000000000.chunk"))
  }
}

/// One segment file, made by hand.
private struct SegmentWriter {
  private static let nonce: UInt64 = 0x1234_5678
  private let header: WALSegmentHeader
  private var bytes: [UInt8]
  private var count = WALFormat.segmentHeaderSize

  init(sequence: UInt64, base: WalPosition, storeID: StoreID) {
    let size = RecoveryScene.segmentSize
    header = WALSegmentHeader(
      storeID: storeID, sequence: sequence, base: base, nonce: Self.nonce, size: UInt32(size),
      created: UnixTime(rawValue: 0))
    bytes = [UInt8](repeating: 0, count: size)
    let header = header
    bytes.withUnsafeMutableBytes { header.encode(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<4096])) }
  }

  var end: WalPosition { header.base + (count - WALFormat.segmentHeaderSize) }

  /// - Parameter checksums: what stands in the place of the payload.
  mutating func add(
    _ log: LogID, _ generation: Generation = .first, at lsn: Int, _ payload: [UInt8], checksums: [UInt8]? = nil,
    mark: WalPosition = .zero, durableLSN: Int = 0
  ) {
    let body = checksums ?? payload
    let frame = WALFrameHeader(
      kind: checksums == nil ? .inline : .indirect, logID: log, generation: generation, lsn: LSN(rawValue: UInt64(lsn)),
      length: UInt32(payload.count), time: UnixTime(rawValue: 1), durableMark: mark,
      durableLSN: LSN(rawValue: UInt64(durableLSN)), bodyChecksum: body.withUnsafeBytes { CRC32C.checksum($0) })
    let start = count
    bytes.withUnsafeMutableBytes {
      frame.encode(into: UnsafeMutableRawBufferPointer(rebasing: $0[start...]), nonce: Self.nonce)
      UnsafeMutableRawBufferPointer(rebasing: $0[(start + WALFormat.frameHeaderSize)...]).copyBytes(from: body)
    }
    count += WALFormat.frameSize(body: body.count)
  }

  /// Changes the byte at a position.
  mutating func damage(_ position: WalPosition) {
    bytes[WALFormat.segmentHeaderSize + (position - header.base)] ^= 0xFF
  }

  func write(to store: TestStore) throws {
    try Data(bytes).write(to: store.file("wal/" + FixedWidthNumber.decimal(header.sequence) + ".wal"))
  }
}
