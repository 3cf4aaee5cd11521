import AOFCore
import AOFSystem
import CZstd

/// Compresses runs of bytes into independent zstd frames, as docs/format/chunk.md wants them: content size in
/// the header, a checksum at the end, no dictionary.
///
/// Contexts cost about a megabyte and are worth keeping. Calls on one compressor take turns; threads that
/// compress at the same time want one each.
///
/// `@unchecked Sendable`: `context` and `scratch` are touched only while `lock` is held.
package final class FrameCompressor: @unchecked Sendable {
  /// The level that balances speed (about 240 MB/s for each core on log text) and ratio (about 5).
  package static let defaultLevel: Int32 = 3

  private let lock = Lock(())
  private let context: OpaquePointer
  private var scratch: [UInt8] = []

  /// - Throws: `invalidArgument` for a level that zstd does not have; ENOMEM.
  package init(level: Int32 = defaultLevel) throws(AofError) {
    guard level >= ZSTD_minCLevel(), level <= ZSTD_maxCLevel(), level != 0 else {
      throw AofError(
        .invalidArgument, "compression level \(level) is not possible",
        remedy: "use a level from 1 to \(ZSTD_maxCLevel())")
    }
    guard let context = ZSTD_createCCtx() else { throw zstdOutOfMemory() }
    self.context = context
    // From here on a throw runs deinit, which frees the context.
    for (parameter, value) in [
      (ZSTD_c_compressionLevel, level), (ZSTD_c_contentSizeFlag, 1), (ZSTD_c_checksumFlag, 1),
    ] {
      let result = ZSTD_CCtx_setParameter(context, parameter, value)
      guard ZSTD_isError(result) == 0 else {
        throw AofError(.invalidArgument, "zstd refuses its settings: \(zstdMessage(result))")
      }
    }
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Appends one frame that holds `bytes` to `output`, and returns the frame's size in bytes.
  ///
  /// `output` keeps what it had; with `removeAll(keepingCapacity: true)` between calls it is not allocated
  /// anew.
  /// - Throws: `invalidArgument` for no bytes: an empty frame could not be told from a skippable one.
  package func compress(_ bytes: UnsafeRawBufferPointer, appendingTo output: inout [UInt8]) throws(AofError)
    -> Int
  {
    guard !bytes.isEmpty else { throw AofError(.invalidArgument, "a frame of no bytes is not possible") }
    let bound = ZSTD_compressBound(bytes.count)
    guard ZSTD_isError(bound) == 0 else {
      throw AofError(.tooLarge, "a frame of \(bytes.count) bytes is not possible: \(zstdMessage(bound))")
    }
    let count = lock.withLock { _ in
      if scratch.count < bound { scratch = [UInt8](repeating: 0, count: bound) }
      return scratch.withUnsafeMutableBytes { scratch in
        let count = ZSTD_compress2(
          context, scratch.baseAddress, scratch.count, bytes.baseAddress, bytes.count)
        if ZSTD_isError(count) == 0 { output.append(contentsOf: scratch.prefix(count)) }
        return count
      }
    }
    guard ZSTD_isError(count) == 0 else {
      throw AofError(.localFailure, "zstd cannot compress \(bytes.count) bytes: \(zstdMessage(count))")
    }
    return count
  }
}
