import AOFCore
import AOFSystem
import Glibc

@testable import class AOFSystem.File

/// An open file of a ``SimulatedDisk``.
final class SimulatedFile: File, @unchecked Sendable {  // used by the one thread that runs the simulation
  private let image: FileImage
  private let disk: SimulatedDisk
  private var machine: Machine { disk.machine }
  /// For the flaw that leaves one of them out.
  private var unsynced = UnsyncedWrites()

  init(_ name: String, _ image: FileImage, disk: SimulatedDisk) {
    self.image = image
    self.disk = disk
    super.init(path: name, descriptor: -1)
  }

  override func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(AofError) -> Int {
    try machine.checkAlive(path)
    return image.read(into: buffer, at: offset)
  }

  override func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(AofError) {
    machine.trace.mix(UInt64(CRC32C.checksum(bytes)))
    let partly = {
      let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(self.machine.chance.below(bytes.count + 1)))
      self.image.write(part, at: offset, &self.machine.chance)
    }
    try machine.run(.write, path, (offset, bytes.count), partly: partly) {
      if disk.flaw == .trustsCleanPages, image.holds(bytes, at: offset) { return }
      image.write(bytes, at: offset, &machine.chance)
      if disk.flaw == .flushesBehindHole, path.hasSuffix(".wal") { unsynced.add(offset..<(offset + bytes.count)) }
    }
  }

  override func write(pieces: UnsafeMutableBufferPointer<iovec>, at offset: Int) throws(AofError) {
    let count = pieces.reduce(0) { $0 + $1.iov_len }
    let joined = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    defer { joined.deallocate() }
    var done = 0
    for piece in pieces {
      if let base = piece.iov_base, let target = joined.baseAddress { memcpy(target + done, base, piece.iov_len) }
      done += piece.iov_len
    }
    try write(UnsafeRawBufferPointer(joined), at: offset)
  }

  override func syncData() throws(AofError) {
    do throws(AofError) {
      try machine.run(.sync, path, partly: { self.image.failSync(&self.machine.chance) }) {
        if disk.flaw?.forgetsBytes(of: path) == true { return }
        image.sync(leaving: unsynced.hole)
        unsynced = UnsyncedWrites()
      }
    } catch where disk.flaw == .retriesFailedSync && machine.end == nil {
      return
    }
  }

  /// A failed sync of the volume is told to all.
  override func checkWrites() throws(AofError) {}

  override func allocate(_ count: Int) throws(AofError) {
    try machine.run(.allocate, path, (0, count)) {
      image.allocate(count, &machine.chance)
    }
  }

  /// One operation, as it is one step of the engine's.
  override func fillWithZeros(_ count: Int) throws(AofError) {
    try machine.run(.write, path, (0, count)) { image.clear(0..<count, growing: true, &machine.chance) }
  }

  override func punchHole(_ range: Range<Int>) throws(AofError) {
    try machine.run(.allocate, path, (range.lowerBound, range.count)) {
      image.clear(range, growing: false, &machine.chance)
    }
  }

  override func truncate(_ count: Int) throws(AofError) {
    try machine.run(.allocate, path, (count, 0)) { image.resize(count, &machine.chance) }
  }

  override func size() throws(AofError) -> Int {
    try machine.checkAlive(path)
    return image.size
  }

  override func allocatedSize() throws(AofError) -> Int {
    try machine.checkAlive(path)
    return image.allocatedSize
  }

  override func regularSize() throws(AofError) -> Int? { try size() }

  override func hasName() throws(AofError) -> Bool {
    disk.names.values.contains {
      if case .file(let other) = $0 { other === image } else { false }
    }
  }

  override func tryLockExclusively() throws(AofError) -> Bool { disk.takeLock() }
  override func unlock() throws(AofError) { disk.dropLock() }
}

/// The last two writes to a file since it was synced.
private struct UnsyncedWrites {
  private var last: Range<Int>?
  private var beforeLast: Range<Int>?

  mutating func add(_ range: Range<Int>) {
    beforeLast = last
    last = range
  }

  /// The earlier of the two, if it does not share its pages with the other.
  var hole: Range<Int>? {
    guard let last, let beforeLast else { return nil }
    return beforeLast.upperBound / FileImage.pageSize < last.upperBound / FileImage.pageSize ? beforeLast : nil
  }
}
