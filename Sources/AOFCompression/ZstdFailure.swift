import AOFCore
import CZstd

/// zstd's words for a result that ``ZSTD_isError`` calls an error.
func zstdMessage(_ result: Int) -> String { String(cString: ZSTD_getErrorName(result)) }

func zstdOutOfMemory() -> AofError {
  let outOfMemory: Int32 = 12  // ENOMEM on Linux; libc is not imported for one number.
  return AofError(
    .system(errno: outOfMemory), "there is no memory for a zstd context",
    remedy: "free memory, then try again")
}
