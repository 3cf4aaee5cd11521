/// The words of the one read path.
enum ReadPath {
  /// Where the bytes of logs lie. Only the engine names them.
  static let stores: Set<String> = ["ChunkFile", "TailBuffer", "LocalChunkStore", "RemoteChunkStore", "WalSegment"]

  /// Ways to bytes of files that a module which serves reads has no use for.
  static let fileAccess: Set<String> = ["pread", "preadv", "mmap", "FileHandle", "FileManager", "contentsOfFile"]

  /// By module of Sources, the words that would be a second read path.
  static let forbidden: [String: Set<String>] = [
    "AOFFileSystem": stores.union(fileAccess),
    "AOFFuse": stores.union(fileAccess),
    "AOFControl": stores.union(fileAccess),
    "aofs": stores,
    "aof-integration": stores,
  ]
}

/// Within the engine, bytes of chunk files are read where logs are read; everything else that reads them is
/// listed with its reason.
func engineReadViolations(in file: RepositoryFile) -> [Violation] {
  guard file.module == "AOFEngine", !file.path.hasPrefix("Sources/AOFEngine/Reading/"),
    ReadPath.otherReaders[file.path] == nil
  else { return [] }
  return file.codeLines.enumerated()
    .compactMap { index, line in
      guard let match = line.firstMatch(of: ReadPath.read) else { return nil }
      return Violation(
        path: file.path, line: index + 1,
        reason: "\(match.0)) reads a file: reading logs belongs in AOFEngine/Reading")
    }
}

extension ReadPath {
  /// How the engine reads at an offset of a file: a method of a file, called.
  nonisolated(unsafe) static let read = #/\.(?:pread|preadv|read(?:Exactly|Fully|All)?)\((?=into|at|from|_)/#

  /// Files of the engine outside Reading that read files of the store, and why.
  static let otherReaders: [String: String] = [
    "Sources/AOFEngine/Chunks/LocalChunkStore.swift": "the chunk files themselves: what Reading calls",
    "Sources/AOFEngine/Checkpoint/CompressionPipeline.swift": "sealed extents on their way to the remote, each frame checked",
    "Sources/AOFEngine/Recovery/TailReplay.swift": "payloads of large appends, before any log is open",
    "Sources/AOFEngine/Recovery/WalRecovery.swift": "WAL segments, before any log is open",
    "Sources/AOFEngine/Repair/LocalFrames.swift": "frames of stores that are not open, each compared with its checksum",
    "Sources/AOFEngine/Repair/ObjectCheck.swift": "whole objects, compared with their checksums",
    "Sources/AOFEngine/Repair/StoreRepair.swift": "frames of the remote, each checked, on their way to a chunk file",
    "Sources/AOFEngine/Repair/Evidence.swift": "copies of what is damaged",
    "Sources/AOFEngine/Repair/RecoverySources.swift": "WAL segments of a store that is not open",
    "Sources/AOFEngine/Tail/WriteAheadLog+Carry.swift": "frames of closed WAL segments, on their way to a new one",
    "Sources/AOFEngine/Store/StoreLock.swift": "the lock file, which is no log",
    "Sources/AOFEngine/Cache/AofManager+CacheOrder.swift": "what is remembered of the cache, which is no log",
  ]
}
