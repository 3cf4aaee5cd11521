/// Who may import what. Imports go one way: AOFCore, then the services that know nothing of each other,
/// the engine, the semantics, the adapter, the command.
enum ImportTable {
  /// What each folder of Sources may import. A folder that is not here is a violation, and so is a row without
  /// a folder.
  static let allowed: [String: Set<String>] = [
    "AOFCore": [],
    "AOFSystem": ["AOFCore", "CAofsShims", "Glibc", "Synchronization"],
    "AOFFormat": ["AOFCore", "AOFSystem"],
    "AOFCompression": ["AOFCore", "CZstd", "Synchronization"],
    "AOFManifest": ["AOFCore", "AOFFormat", "GRDB", "Foundation", "Synchronization"],
    "AOFRemote": ["AOFCore", "AOFSystem", "Foundation", "Synchronization"],
    "AOFControl": ["AOFCore", "Foundation"],
    "AOFEngine": [
      "AOFCore", "AOFSystem", "AOFFormat", "AOFCompression", "AOFManifest", "AOFRemote", "Logging",
      "Foundation", "Synchronization",
    ],
    "AOF": ["AOFCore", "AOFRemote", "AOFManifest", "AOFEngine"],
    "AOFFileSystem": [
      "AOFCore", "AOFSystem", "AOFEngine", "AOFControl", "Logging", "Foundation", "Synchronization",
    ],
    "AOFFuse": ["AOFCore", "AOFSystem", "AOFFileSystem", "CFuse3", "Logging", "Synchronization"],
    "aofs": [
      "AOFCore", "AOFSystem", "AOFEngine", "AOFControl", "AOFFileSystem", "AOFFuse", "Logging",
      "ArgumentParser", "Foundation", "Synchronization",
    ],
    "aof-integration": ["AOF"],
    // C, without Swift files of their own.
    "CAofsShims": [], "CFuse3": [], "CZstd": [],
  ]

  /// Imported by one module each.
  static let owners: [String: String] = [
    "CAofsShims": "AOFSystem", "CFuse3": "AOFFuse", "CZstd": "AOFCompression", "GRDB": "AOFManifest",
    "ArgumentParser": "aofs",
  ]

  /// Folders on the way of a read, where neither Foundation's types nor their allocations belong.
  static let withoutFoundation = ["Sources/AOFEngine/Reading/", "Sources/AOFFuse/", "Sources/AOFCore/"]

  /// libc belongs to AOFSystem. Elsewhere only the files below see it, each for the reason given, and none
  /// of them for a call (`libcCalls` holds them to that).
  static let constantsOfLibc: [String: String] = [
    "Sources/AOFCore/Errno.swift": "the errno constants, and strerror for messages: the one place that maps them"
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
