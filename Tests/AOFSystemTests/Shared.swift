import AOFCore
import AOFSystem
import Glibc

/// The code of the error that `body` throws; nil if it throws none.
func code(_ body: () throws(AofError) -> Void) -> AofError.Code? {
  do throws(AofError) {
    try body()
    return nil
  } catch {
    return error.code
  }
}

/// A directory that goes with the value, and all in it.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/aofs-system-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? ""
    }
    guard !path.isEmpty else { throw AofError.systemCall("mkdtemp", "/tmp", errno: errno) }
  }

  deinit {
    // Depth first; links are removed, never followed.
    _ = nftw(path, { path, _, _, _ in path.map { remove($0) } ?? 0 }, 16, Int32(FTW_DEPTH | FTW_PHYS))
  }

  func child(_ name: String) -> String { path + "/" + name }
}

extension File {
  func contents() throws(AofError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: try size())
    let count = try bytes.withTypedMutableBytes { buffer throws(AofError) in try read(into: buffer, at: 0) }
    return Array(bytes.prefix(count))
  }

  func write(_ bytes: [UInt8], at offset: Int) throws(AofError) {
    try bytes.withTypedBytes { bytes throws(AofError) in try write(bytes, at: offset) }
  }
}
