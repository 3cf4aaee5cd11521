/// Who may import what. Imports go one way: AOFCore, then the services that know nothing of each other,
/// the engine, the semantics, the adapter, the command.
enum ImportTable {
  /// What each folder of Sources may import. A folder that is not here is a violation, and so is a row without
  /// a folder.
  static let allowed: [String: Set<String>] = [
    "AOFCore": [],
    "AOFSystem": ["AOFCore", "CAofsShims", "Glibc"],
    "AOFFormat": ["AOFCore", "AOFSystem", "Foundation"],
    "AOFCompression": ["AOFCore", "AOFSystem", "CZstd"],
    "AOFManifest": ["AOFCore", "AOFSystem", "AOFFormat", "GRDB", "Foundation"],
    "AOFRemote": ["AOFCore", "AOFSystem", "AOFFormat", "Foundation"],
    "AOFRemoteS3": ["AOFCore", "AOFSystem", "AOFRemote", "CCurl", "CCrypto", "CExpat", "Foundation"],
    "AOFControl": ["AOFCore", "Foundation"],
    "AOFEngine": [
      "AOFCore", "AOFSystem", "AOFFormat", "AOFCompression", "AOFManifest", "AOFRemote", "AOFRemoteS3",
      "Logging", "Foundation", "Synchronization",
    ],
    "AOF": ["AOFCore", "AOFRemote", "AOFManifest", "AOFEngine"],
    "AOFFileSystem": [
      "AOFCore", "AOFSystem", "AOFManifest", "AOFEngine", "AOFControl", "Logging", "Foundation",
    ],
    "AOFFuse": ["AOFCore", "AOFSystem", "AOFFileSystem", "CFuse3", "Logging"],
    "aofs": [
      "AOFCore", "AOFSystem", "AOFRemote", "AOFEngine", "AOFControl", "AOFFileSystem", "AOFFuse", "Logging",
      "ArgumentParser", "Foundation",
    ],
    "aof-integration": ["AOF", "Foundation"],
    // C, without Swift files of their own.
    "CAofsShims": [], "CFuse3": [], "CZstd": [], "CCurl": [], "CCrypto": [], "CExpat": [],
  ]

  /// Imported by one module each.
  static let owners: [String: String] = [
    "CAofsShims": "AOFSystem", "CFuse3": "AOFFuse", "CZstd": "AOFCompression", "GRDB": "AOFManifest",
    "ArgumentParser": "aofs", "CCurl": "AOFRemoteS3", "CCrypto": "AOFRemoteS3", "CExpat": "AOFRemoteS3",
  ]

  /// Folders on the way of a read, where neither Foundation's types nor their allocations belong.
  static let withoutFoundation = [
    "Sources/AOFEngine/Reading/", "Sources/AOFFuse/", "Sources/AOFCore/", "Sources/AOFSystem/", "Sources/AOFFormat/",
  ]

  /// Folders within those where Foundation's JSON is used, off the hot path.
  static let jsonOfFoundation = ["Sources/AOFFormat/Remote/"]

  /// libc belongs to AOFSystem. Elsewhere only these files and folders see it, each for the reason given, and
  /// none of them for a call (`libcCalls` holds them to that).
  static let constantsOfLibc: [String: String] = [
    "Sources/AOFCore/Errno.swift": "errno constants, and strerror for messages: the one place that maps them",
    "Sources/AOFEngine/Tail/Committer.swift": "errno constants",
    "Sources/AOFFileSystem/FileSystem.swift": "errno constants, and the user that mounts",
    "Sources/AOFFileSystem/FileSystem+Space.swift": "errno constants",
    "Sources/AOFFileSystem/Control/FileSystem+Events.swift": "errno constants",
    "Sources/AOFFileSystem/Handles/HandleTable.swift": "errno constants",
    "Sources/AOFFileSystem/Handles/OpenFlags.swift": "the O_ flags that a program opened with",
    "Sources/AOFFuse/": "libfuse speaks in libc's types and constants: stat, mode_t, off_t, errno",
    "Sources/aofs/": "errno constants, descriptors of the standard streams, and signals",
  ]

  /// Files outside AOFSystem that do call libc, and why. May only shrink.
  static let libcCallers: [String: String] = [
    "Sources/AOFFuse/Command.swift": "runs fusermount3 and waits for it",
    "Sources/AOFFuse/FuseConnection.swift": "mounts the kernel's control files for a moment, to abort a mount",
    "Sources/AOFFuse/MountPoint.swift": "looks whether a mount point is empty",
  ]

  /// Calls that only AOFSystem makes: files, time, threads and processes.
  static let libcCalls: Set<String> = [
    "open", "openat", "close", "pread", "pwrite", "preadv", "pwritev", "pwritev2", "fsync", "fdatasync",
    "fallocate", "ftruncate", "truncate", "unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir",
    "rmdir", "opendir", "readdir", "closedir", "lseek", "flock", "mmap", "munmap", "fork", "vfork", "execv",
    "execve", "posix_spawn", "waitpid", "kill", "pthread_create", "pthread_mutex_lock", "pthread_cond_wait",
    "clock_gettime", "gettimeofday", "time", "sleep", "usleep", "nanosleep", "getenv", "setenv",
  ]
}
