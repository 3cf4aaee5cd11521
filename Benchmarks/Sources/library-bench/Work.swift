import AOF

/// One kind of appending, as the driver's `append` has it.
struct Work {
  enum Sync: String { case never, end, each }

  var size = 128
  var count = 1000
  var sync = Sync.never
  var writers = 1
  /// Whether all writers share one log.
  var isShared = false

  /// Text of the kind that logs are made of; no two neighbouring lines are alike.
  private var record: [UInt8] {
    var bytes = [UInt8](repeating: UInt8(ascii: " "), count: size)
    for index in bytes.indices { bytes[index] += UInt8((index * 7 + index / 13) % 90) }
    if let last = bytes.indices.last { bytes[last] = UInt8(ascii: "\n") }
    return bytes
  }

  /// Appends to new logs of an open store.
  func run(in manager: AofManager) throws -> Sample {
    let logs = try (0..<(isShared ? 1 : writers)).map { try manager.createLog(AofConfig(name: "append-\($0)")) }
    let record = record
    let start = now()
    let latencies = try onThreads(writers) { writer in
      let log = logs[writer % logs.count]
      var latencies: [Double] = []
      latencies.reserveCapacity(count)
      for _ in 0..<count {
        let start = now()
        _ = try record.withUnsafeBytes { try log.append($0) }
        if sync == .each { try log.sync() }
        latencies.append(now() - start)
      }
      if sync == .end { try log.sync() }
      return latencies
    }
    return Sample(latencies: latencies, elapsed: now() - start, bytes: latencies.count * size)
  }
}

extension Work {
  /// What the words before the store's path ask for; nil if they cannot be understood.
  init?(_ words: some Collection<String>) {
    var left = words[...]
    while let option = left.popFirst() {
      if option == "--shared" {
        isShared = true
        continue
      }
      guard let value = left.popFirst() else { return nil }
      if option == "--sync" {
        guard let sync = Sync(rawValue: value) else { return nil }
        self.sync = sync
        continue
      }
      guard let number = Int(value), number > 0 else { return nil }
      switch option {
      case "--size": size = number
      case "--count": count = number
      case "--writers": writers = number
      default: return nil
      }
    }
  }
}
