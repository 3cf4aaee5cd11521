import Glibc

/// The content of one simulated file, as programs see it and as the platter holds it.
///
/// The kernel keeps pages: a written page is dirty until a sync, and may reach the platter at any moment before. A sync
/// that fails leaves pages that look clean, and whose bytes the platter never got: they are lost with the next power
/// cut, and may vanish with the next process, unless they are written again. The platter writes whole sectors.
final class FileImage {
  static let pageSize = 4096
  static let sectorSize = 512

  private enum Page: UInt8 { case clean, dirty, lost }

  private var cache = Memory()
  private var platter = Memory()
  /// The file's length, as programs see it and on the platter.
  private(set) var size = 0
  private var platterSize = 0
  private var pages: [Page] = []
  /// Which pages take space on the disk.
  private var allocated: [Bool] = []

  /// The bytes that the file takes on the disk.
  var allocatedSize: Int { allocated.reduce(0) { $0 + ($1 ? Self.pageSize : 0) } }

  /// Whether a sync failed whose bytes were not written again since.
  var hasLostPages: Bool { pages.contains(.lost) }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
    let count = max(0, min(buffer.count, size - offset))
    if count > 0, let base = buffer.baseAddress { memcpy(base, cache.base + offset, count) }
    return count
  }

  /// Whether programs see these bytes there already.
  func holds(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    guard let base = bytes.baseAddress, offset + bytes.count <= size else { return false }
    return memcmp(cache.base + offset, base, bytes.count) == 0
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, _ chance: inout Chance) {
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
    touch(offset..<(offset + bytes.count), &chance)
    memcpy(cache.base + offset, base, bytes.count)
  }

  /// Writes zeros, and makes the file longer if it is shorter.
  func clear(_ range: Range<Int>, growing: Bool, _ chance: inout Chance) {
    let range = growing ? range : range.clamped(to: 0..<max(size, range.lowerBound))
    guard !range.isEmpty else { return }
    touch(range, &chance)
    memset(cache.base + range.lowerBound, 0, range.count)
    if !growing { free(range) }
  }

  /// Gives back the space of whole pages.
  private func free(_ range: Range<Int>) {
    let end = range.upperBound >= size ? allocated.count : range.upperBound / Self.pageSize
    for page in (range.lowerBound + Self.pageSize - 1) / Self.pageSize..<max(end, (range.lowerBound + Self.pageSize - 1) / Self.pageSize) {
      allocated[page] = false
    }
  }

  /// Takes the space of a file's first bytes.
  func allocate(_ count: Int, _ chance: inout Chance) {
    if count > size { resize(count, &chance) }
    for page in 0..<(count + Self.pageSize - 1) / Self.pageSize { allocated[page] = true }
  }

  func resize(_ count: Int, _ chance: inout Chance) {
    if count < size { clear(count..<size, growing: false, &chance) }
    cache.reserve(count)
    platter.reserve(count)
    addPages(upTo: count)
    size = count
  }

  /// Makes the pages of a range dirty. Some that were so already have just reached the platter.
  private func touch(_ range: Range<Int>, _ chance: inout Chance) {
    cache.reserve(range.upperBound)
    platter.reserve(range.upperBound)
    addPages(upTo: range.upperBound)
    size = max(size, range.upperBound)
    let writesBack = chance.one(in: 4)
    for page in (range.lowerBound / Self.pageSize)...((range.upperBound - 1) / Self.pageSize) {
      if writesBack, pages[page] == .dirty, chance.one(in: 2) { writeBack(page) }
      pages[page] = .dirty
      allocated[page] = true
    }
  }

  private func addPages(upTo count: Int) {
    while pages.count * Self.pageSize < count {
      pages.append(.clean)
      allocated.append(false)
    }
  }

  private func writeBack(_ page: Int) {
    let start = page * Self.pageSize
    memcpy(platter.base + start, cache.base + start, Self.pageSize)
  }

  // MARK: Syncing

  /// Everything reaches the platter, but what looks clean already, and the pages of `leaving`, which stay dirty.
  func sync(leaving: Range<Int>? = nil) {
    for page in pages.indices where pages[page] == .dirty {
      let start = page * Self.pageSize
      if let leaving, leaving.overlaps(start..<(start + Self.pageSize)) { continue }
      writeBack(page)
      pages[page] = .clean
    }
    platterSize = size
  }

  /// Some pages reach the platter; the others look clean from now on, and are not.
  func failSync(_ chance: inout Chance) {
    for page in pages.indices where pages[page] == .dirty {
      if chance.one(in: 2) {
        writeBack(page)
        pages[page] = .clean
      } else {
        pages[page] = .lost
      }
    }
    if chance.one(in: 2) { platterSize = size }
  }

  // MARK: Ends

  /// The process ended, and the machine goes on. Pages that look clean may have been dropped meanwhile.
  func survivesProcess(_ chance: inout Chance) {
    for page in pages.indices where pages[page] == .lost && chance.one(in: 2) {
      let start = page * Self.pageSize
      memcpy(cache.base + start, platter.base + start, Self.pageSize)
      pages[page] = .clean
    }
  }

  /// The file as the machine finds it when the power is back.
  func afterPowerCut(_ cut: PowerCut, _ chance: inout Chance) -> FileImage {
    let image = FileImage()
    let length = max(cache.capacity, platter.capacity)
    image.platter.reserve(length)
    memcpy(image.platter.base, platter.base, platter.capacity)
    for page in pages.indices where pages[page] == .dirty {
      for start in stride(from: page * Self.pageSize, to: (page + 1) * Self.pageSize, by: cut.unit)
      where chance.percent(cut.survival) {
        memcpy(image.platter.base + start, cache.base + start, cut.unit)
      }
    }
    image.size = platterSize
    if size != platterSize, !chance.one(in: 3) {
      // The new length may be on the platter without the bytes, which are zeros then, or a part of it.
      image.size = chance.one(in: 2) ? size : min(size, platterSize) + chance.below(abs(size - platterSize))
    }
    image.platter.zero(from: image.size)
    image.platterSize = image.size
    image.cache.reserve(length)
    memcpy(image.cache.base, image.platter.base, image.platter.capacity)
    image.addPages(upTo: image.size)
    for page in image.allocated.indices where page < allocated.count { image.allocated[page] = allocated[page] }
    return image
  }
}

/// What a power cut leaves of what was not synced.
struct PowerCut {
  /// The bytes that survive or perish together: a page, or a sector where writes are torn.
  let unit: Int
  /// How many of a hundred of them survive.
  let survival: Int
  /// Whether changes of names reach the disk in the order in which they were made.
  let keepsOrder: Bool

  init(_ chance: inout Chance) {
    unit = chance.one(in: 2) ? FileImage.pageSize : FileImage.sectorSize
    survival = [0, 5, 30, 50, 70, 95, 100][chance.below(7)]
    keepsOrder = chance.one(in: 2)
  }
}

/// Bytes that are zero until they are written.
private struct Memory: ~Copyable {
  private(set) var base: UnsafeMutableRawPointer
  private(set) var capacity: Int

  init() {
    capacity = FileImage.pageSize
    base = .allocate(byteCount: capacity, alignment: 64)
    memset(base, 0, capacity)
  }

  deinit { base.deallocate() }

  /// Makes room for `count` bytes, in whole pages.
  mutating func reserve(_ count: Int) {
    guard count > capacity else { return }
    let pages = (max(count, capacity * 2) + FileImage.pageSize - 1) / FileImage.pageSize
    let grown = UnsafeMutableRawPointer.allocate(byteCount: pages * FileImage.pageSize, alignment: 64)
    memcpy(grown, base, capacity)
    memset(grown + capacity, 0, pages * FileImage.pageSize - capacity)
    base.deallocate()
    base = grown
    capacity = pages * FileImage.pageSize
  }

  mutating func zero(from offset: Int) {
    if offset < capacity { memset(base + offset, 0, capacity - offset) }
  }
}
