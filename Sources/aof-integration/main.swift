// The library on its own, without a mount: nine appends of 43,690 bytes into a log with 128 KiB chunks, where each
// byte lands, and the whole log read back from the remote alone. Run it with `swift run aof-integration`.

import AOF
import Foundation

/// Prints one line: what was done, and where it landed.
func report(_ what: String, lsn: LSN, in log: Aof) {
  let chunk = log.chunkID(for: lsn)
  print(
    "\(what): LSN \(lsn) is chunk \(chunk) [\(log.chunkStart(chunk))..\(log.chunkEnd(chunk))) "
      + "offset \(log.chunkOffset(for: lsn))")
}

/// Reads the log from its first byte to its tail with a cursor.
func readAll(_ log: Aof) throws -> [UInt8] {
  var cursor = try log.openCursor()
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 100_000)
  while true {
    let count = try buffer.withUnsafeMutableBytes { try cursor.read(into: $0) }
    if count == 0 { return bytes }
    bytes += buffer[..<count]
  }
}

struct Mismatch: Error {}

let directory = FileManager.default.temporaryDirectory.appendingPathComponent("aof-integration-\(UUID().uuidString)")
defer { try? FileManager.default.removeItem(at: directory) }

var options = StoreOptions()
options.chunkSize = try ChunkSize(.kibibytes(128))
let manager = try AofManager.open(directory.path, options: options)
let log = try manager.createLog(AofConfig(name: "example/events"))

var written: [UInt8] = []
for number in 0..<9 {
  // Every write is different, and none is a multiple of anything.
  let record = (0..<43_690).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ ($0 >> 8) &+ number &* 17) }
  let lsn = try log.append(record)
  report("write \(number)", lsn: lsn, in: log)
  written += record
}
print("tail LSN \(log.tailLSN)")
for lsn: LSN in [65_536, 196_608, 262_144] { report("look-up", lsn: lsn, in: log) }

if let sealed = try log.sealTail() { print("sealed up to LSN \(sealed.upperBound)") }
print("nothing more to seal: \(try log.sealTail() == nil)")
print("checkpoint: remote LSN \(try log.checkpoint())")
print("evicted \(try log.evict().rawValue) bytes")
guard try readAll(log) == written else { throw Mismatch() }
print("read back \(written.count) bytes from the remote, identical")
try manager.close()
