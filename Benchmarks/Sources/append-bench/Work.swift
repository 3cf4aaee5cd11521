import AOF
import Glibc

/// One kind of appending, the same for files and for logs.
struct Work {
  enum Sync { case never, atTheEnd, each, oDsync }

  var size: Int
  var count: Int
  var sync: Sync
  var writers = 1
  /// Whether all writers share one file.
  var isShared = false

  /// Text of the kind that logs are made of; no two neighbouring lines are alike.
  var record: [UInt8] {
    var bytes = [UInt8](repeating: UInt8(ascii: " "), count: size)
    for index in bytes.indices { bytes[index] = UInt8(32 + (index * 7 + index / 13) % 90) }
    if let last = bytes.indices.last { bytes[last] = UInt8(ascii: "\n") }
    return bytes
  }

  private func sample(_ body: @escaping @Sendable (Int) -> [Double]) -> Sample {
    let start = now()
    let latencies = onThreads(writers, body)
    return Sample(latencies: latencies, elapsed: now() - start, bytes: latencies.count * size)
  }
}

/// What went wrong, with the system's own words.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ call: String, _ path: String) { description = "\(call) \(path): \(String(cString: strerror(errno)))" }
}

// MARK: - Files

extension Work {
  /// Appends to new files in a directory: of an ordinary filesystem or of a mount.
  func run(inDirectory directory: String, run: Int) throws -> Sample {
    var descriptors: [Int32] = []
    for writer in 0..<(isShared ? 1 : writers) {
      let path = "\(directory)/append-\(getpid())-\(run)-\(writer)"
      let flags = O_WRONLY | O_CREAT | O_APPEND | (sync == .oDsync ? O_DSYNC : 0)
      let descriptor = open(path, flags, 0o600)
      guard descriptor >= 0 else { throw Failure("open", path) }
      descriptors.append(descriptor)
    }
    defer { for descriptor in descriptors { close(descriptor) } }
    let (record, files) = (record, descriptors)
    return sample { writer in
      let file = files[writer % files.count]
      var latencies: [Double] = []
      latencies.reserveCapacity(count)
      for _ in 0..<count {
        let start = now()
        guard record.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == record.count else { abort() }
        if sync == .each, fdatasync(file) != 0 { abort() }
        latencies.append(now() - start)
      }
      if sync == .atTheEnd, fdatasync(file) != 0 { abort() }
      return latencies
    }
  }
}

// MARK: - The library

extension Work {
  /// Appends to new logs of an open store, without a mount.
  func run(inStore manager: AofManager, run: Int) throws -> Sample {
    let logs = try (0..<(isShared ? 1 : writers)).map { writer in
      try manager.createLog(AofConfig(name: "append-\(getpid())-\(run)-\(writer)"))
    }
    let record = record
    return sample { writer in
      let log = logs[writer % logs.count]
      var latencies: [Double] = []
      latencies.reserveCapacity(count)
      do {
        for _ in 0..<count {
          let start = now()
          _ = try record.withUnsafeBytes { try log.append($0) }
          if sync == .each || sync == .oDsync { try log.sync() }
          latencies.append(now() - start)
        }
        if sync == .atTheEnd { try log.sync() }
      } catch {
        print("append-bench: \(error)")
        abort()
      }
      return latencies
    }
  }
}
