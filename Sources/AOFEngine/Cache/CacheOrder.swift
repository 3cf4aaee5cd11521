import AOFCore
import AOFFormat

/// Some adjacent frames of a log, which are kept or evicted by what became of all of them: a mebibyte of log, or a chunk if
/// that is smaller. Bookkeeping for each frame would take eight times the memory.
struct CacheGroup: Hashable {
  let log: LogID
  /// Counted from LSN 0.
  let number: UInt64

  static let size: UInt64 = 1 << 20

  private static func size(_ chunkSize: ChunkSize) -> UInt64 { min(size, chunkSize.byteCount.rawValue) }

  /// The group of the byte at `lsn`.
  static func holding(_ lsn: LSN, of log: LogID, _ chunkSize: ChunkSize) -> CacheGroup {
    CacheGroup(log: log, number: lsn.rawValue / size(chunkSize))
  }

  /// The groups that hold bytes of `range`, with how many.
  static func covering(
    _ range: Range<LSN>, of log: LogID, _ chunkSize: ChunkSize
  ) -> some Sequence<(group: CacheGroup, byteCount: Int)> {
    let size = size(chunkSize)
    let first = range.lowerBound.rawValue / size
    let end = range.isEmpty ? first : (range.upperBound.rawValue - 1) / size + 1
    return (first..<end).lazy.map { number in
      let group = CacheGroup(log: log, number: number)
      return (group, range.clamped(to: group.range(chunkSize)).byteCount)
    }
  }

  /// The groups with nothing at or past `head` that have something at or past `old`.
  static func numbers(between old: LSN, and head: LSN, _ chunkSize: ChunkSize) -> Range<UInt64> {
    let size = size(chunkSize)
    return old.rawValue / size..<max(old.rawValue, head.rawValue) / size
  }

  /// The groups with nothing below `lsn` that have something below `end`.
  static func numbers(from lsn: LSN, to end: LSN, _ chunkSize: ChunkSize) -> Range<UInt64> {
    let size = size(chunkSize)
    let first = lsn.rawValue / size + (lsn.rawValue.isMultiple(of: size) ? 0 : 1)
    return first..<max(first, end.rawValue / size + 1)
  }

  /// Whether the group is one that a log can have.
  func isPossible(_ chunkSize: ChunkSize) -> Bool { number < LSN.max.rawValue / Self.size(chunkSize) }

  /// Which of its frames hold bytes of `range`, which holds some of the group's: the first is the lowest bit, and so on.
  func frames(of range: Range<LSN>, _ chunkSize: ChunkSize) -> UInt8 {
    let own = self.range(chunkSize)
    let part = range.clamped(to: own)
    let (first, last) = ((part.lowerBound - own.lowerBound) / Limits.frameSize, (part.upperBound - own.lowerBound - 1) / Limits.frameSize)
    return UInt8(truncatingIfNeeded: (1 << (last + 1)) - (1 << first))
  }

  func range(_ chunkSize: ChunkSize) -> Range<LSN> {
    let size = Self.size(chunkSize)
    return LSN(rawValue: number * size)..<LSN(rawValue: (number + 1) * size)
  }
}

/// Which groups leave the local disk next, of those that the remote holds: S3-FIFO (Yang, Zhang, Qiu, Yue and Vigfusson, "FIFO
/// queues are all you need for cache eviction", SOSP 2023).
///
/// What comes waits in a small queue, a tenth of the quota. At its end what was read again goes over to the main queue, and the
/// rest leaves, and of what stays the frames that nobody has read: so a log that is read once, however long, passes through the small queue and does not touch what is read
/// again and again. At the end of the main queue who was read since is put back, once for each of up to three reads. Who
/// comes back soon after having left goes into the main queue at once.
///
/// A state without locks or disk. By the size of its parts some 80 bytes for each group on the disk; what is evicted costs 16 for a while.
struct CacheOrder {
  enum Queue { case small, main }

  /// A group that has come to the end of its queue.
  struct Victim: Equatable {
    let group: CacheGroup
    /// The frames that stay, as ``CacheGroup/frames(of:_:)`` counts them; none if it leaves.
    let spared: UInt8
  }

  private struct Place {
    var queue: Queue
    /// Bytes on the disk.
    var bytes: Int
    /// Reads since it came or was put back, up to three.
    var heat: UInt8 = 0
    /// Frames that were read since the group came.
    var read: UInt8 = 0
  }

  private static let hottest = CacheOrderFile.mostReads

  private var places: [CacheGroup: Place] = [:]
  private var small = FIFO<CacheGroup>()
  private var main = FIFO<CacheGroup>()
  /// Who left last, oldest first: as many as there are places.
  private var ghosts = FIFO<CacheGroup>()
  private var ghostly: Set<CacheGroup> = []
  private var smallBytes = 0

  /// Groups on the disk, and those that have left and are remembered.
  var count: Int { places.count }
  /// Places in the queues, those of groups that have gone with them.
  var queued: Int { small.count + main.count }
  var remembered: Int { ghosts.count }

  /// Bytes of the group came to the disk, or to the remote.
  mutating func add(_ group: CacheGroup, _ bytes: Int) {
    if let place = places[group] {
      places[group]?.bytes += bytes
      if place.queue == .small { smallBytes += bytes }
    } else if ghostly.remove(group) != nil {
      insert(group, Place(queue: .main, bytes: bytes))
    } else {
      insert(group, Place(queue: .small, bytes: bytes))
    }
  }

  /// Somebody reads these frames of the group; `isVisit`: having come to it now.
  mutating func touch(_ group: CacheGroup, _ frames: UInt8, isVisit: Bool = true) {
    guard let place = places[group] else { return }
    let heat = isVisit ? min(place.heat + 1, Self.hottest) : place.heat
    guard heat != place.heat || place.read | frames != place.read else { return }
    places[group]?.heat = heat
    places[group]?.read |= frames
  }

  /// Groups that lie on the disk since before the store was opened, those that may go first at the beginning. They come before
  /// what is known already.
  mutating func restore(_ groups: [(group: CacheGroup, bytes: Int)]) {
    var older = FIFO<CacheGroup>()
    var found: [CacheGroup: Int] = [:]
    for (group, bytes) in groups {
      if places[group] == nil, found[group] == nil { older.append(group) }
      found[group, default: 0] += bytes
    }
    for (group, bytes) in found {
      // What came or was written down since is in both.
      let more = max(0, bytes - (places[group]?.bytes ?? 0))
      places[group, default: Place(queue: .main, bytes: 0)].bytes += more
      if places[group]?.queue == .small { smallBytes += more }
    }
    while let group = main.popFirst() { older.append(group) }
    main = older
  }

  /// What ``recall(_:)`` takes, those that leave first at the beginning of their queue.
  var entries: [CacheOrderFile.Entry] {
    var seen: Set<CacheGroup> = []
    return (small.all + main.all).compactMap { group in
      guard let place = places[group], seen.insert(group).inserted else { return nil }
      return CacheOrderFile.Entry(
        log: group.log, group: group.number, byteCount: UInt32(clamping: place.bytes), isMain: place.queue == .main,
        reads: place.heat, framesRead: place.read)
    }
  }

  /// Takes over what another order knew of groups that this one does not know yet.
  mutating func recall(_ entries: [CacheOrderFile.Entry]) {
    for entry in entries {
      let group = CacheGroup(log: entry.log, number: entry.group)
      guard places[group] == nil else { continue }
      insert(
        group,
        Place(queue: entry.isMain ? .main : .small, bytes: Int(entry.byteCount), heat: entry.reads, read: entry.framesRead))
    }
  }

  /// The next group that leaves, or loses what nobody reads of it; nil if there is none. `limit`: the quota, in bytes.
  mutating func next(limit: Int) -> Victim? {
    while !places.isEmpty {
      if smallBytes > limit / 10 || main.isEmpty, let group = small.popFirst() {
        guard let place = places[group], place.queue == .small else { continue }
        remove(group)
        // The first read is the one that it came for.
        guard place.heat > 1 else { return leave(group) }
        return putBack(group, place)
      }
      guard let group = main.popFirst() else { return nil }
      guard let place = places[group], place.queue == .main else { continue }
      remove(group)
      guard place.heat > 0 else { return leave(group) }
      return putBack(group, place)
    }
    return nil
  }

  private mutating func putBack(_ group: CacheGroup, _ place: Place) -> Victim {
    insert(group, Place(queue: .main, bytes: place.bytes, heat: place.heat - 1, read: place.read))
    return Victim(group: group, spared: place.read)
  }

  /// Groups of a log of which nothing is left, neither here nor in the remote.
  mutating func forget(_ log: LogID, _ numbers: Range<UInt64>) {
    // A log that is far longer than the cache is large has more numbers than anybody should count.
    guard numbers.upperBound - numbers.lowerBound > places.count else {
      for number in numbers { resize(CacheGroup(log: log, number: number), to: 0) }
      return
    }
    for group in places.keys where group.log == log && numbers.contains(group.number) { resize(group, to: 0) }
  }

  /// All groups of logs that are gone.
  mutating func forget(_ logs: Set<LogID>) {
    for group in places.keys where logs.contains(group.log) { resize(group, to: 0) }
  }

  /// What a group has on the disk now that lost bytes; nothing for one of which nothing stayed.
  mutating func resize(_ group: CacheGroup, to bytes: Int) {
    guard let place = places[group] else { return }
    if place.queue == .small { smallBytes += bytes - place.bytes }
    places[group]?.bytes = bytes
    guard bytes == 0 else { return }
    places[group] = nil
    // The queues are left as they are, until there is more in them that has gone than has not.
    guard small.count + main.count > 2 * places.count + 64 else { return }
    small.removeAll { places[$0]?.queue != .small }
    main.removeAll { places[$0]?.queue != .main }
  }

  /// A victim could not leave: it is in use, or the end of its log.
  mutating func keep(_ group: CacheGroup, _ bytes: Int) {
    ghostly.remove(group)
    if places[group] == nil { insert(group, Place(queue: .main, bytes: bytes)) }
  }

  private mutating func insert(_ group: CacheGroup, _ place: Place) {
    places[group] = place
    switch place.queue {
    case .small:
      small.append(group)
      smallBytes += place.bytes
    case .main: main.append(group)
    }
  }

  private mutating func remove(_ group: CacheGroup) {
    guard let place = places.removeValue(forKey: group) else { return }
    if place.queue == .small { smallBytes -= place.bytes }
  }

  private mutating func leave(_ group: CacheGroup) -> Victim {
    if ghostly.insert(group).inserted { ghosts.append(group) }
    while ghosts.count > places.count, let oldest = ghosts.popFirst() { ghostly.remove(oldest) }
    return Victim(group: group, spared: 0)
  }
}

/// A queue over an array, whose front moves.
struct FIFO<Element> {
  private var elements: [Element] = []
  private var first = 0

  var isEmpty: Bool { first == elements.count }
  var count: Int { elements.count - first }
  /// The front comes first.
  var all: ArraySlice<Element> { elements[first...] }

  mutating func append(_ element: Element) { elements.append(element) }

  mutating func removeAll(where isGone: (Element) -> Bool) {
    elements = elements[first...].filter { !isGone($0) }
    first = 0
  }

  mutating func popFirst() -> Element? {
    guard first < elements.count else { return nil }
    defer {
      first += 1
      if first > 64, first * 2 > elements.count {
        elements.removeFirst(first)
        first = 0
      }
    }
    return elements[first]
  }
}
