import AOFCore
import AOFSystem
import CZstd

/// Decodes single zstd frames whose content size is known. Takes any bytes: what is no such frame is an
/// error.
///
/// Calls on one decompressor take turns; threads that decode at the same time want one each.
///
/// `@unchecked Sendable`: `context` is touched only while `lock` is held.
package final class FrameDecompressor: @unchecked Sendable {
  private let lock = Lock(())
  private let context: OpaquePointer

  /// - Throws: ENOMEM.
  package init() throws(AofError) {
    guard let context = ZSTD_createDCtx() else { throw zstdOutOfMemory() }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Decodes the frame that fills `frame` exactly into `destination`, which its content must fill exactly.
  ///
  /// On an error the content of `destination` means nothing.
  /// - Throws: `corrupt` if the bytes are not one whole frame of that content size; `invalidArgument` if
  ///   `destination` is empty.
  package func decompress(
    _ frame: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
  ) throws(AofError) {
    guard !destination.isEmpty else {
      throw AofError(.invalidArgument, "a frame of no bytes is not possible")
    }
    // Without these two looks at the structure, bytes after the frame, or a second frame, would be taken too.
    let size = ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count)
    guard ZSTD_isError(size) == 0 else { throw Self.corrupt(frame.count, zstdMessage(size)) }
    guard size == frame.count else {
      throw Self.corrupt(frame.count, "the frame ends after \(size) bytes")
    }
    let contentSize = ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
    guard contentSize == UInt64(destination.count) else {
      throw Self.corrupt(frame.count, "the frame does not state a content of \(destination.count) bytes")
    }
    let count = lock.withLock { _ in
      ZSTD_decompressDCtx(
        context, destination.baseAddress, destination.count, frame.baseAddress, frame.count)
    }
    guard ZSTD_isError(count) == 0 else { throw Self.corrupt(frame.count, zstdMessage(count)) }
    guard count == destination.count else {
      throw Self.corrupt(frame.count, "it decodes to \(count) bytes instead of \(destination.count)")
    }
  }

  private static func corrupt(_ count: Int, _ reason: String) -> AofError {
    AofError(.corrupt, "a compressed frame of \(count) bytes is damaged: \(reason)")
  }
}
