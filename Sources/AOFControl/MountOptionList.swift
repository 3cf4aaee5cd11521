import AOFCore

/// What `-o key=value,…` may say: settings of ours, options for the kernel, and words of fstab.
package struct MountOptionList: Equatable {
  /// Settings by their name with underscores; each is also a long option with dashes.
  package enum Setting: String, CaseIterable {
    case remote
    case chunkSize = "chunk_size"
    case cacheSize = "cache_size"
    case trashAge = "trash_age"
    case prefetchMemory = "prefetch_memory"
    case walDir = "wal_dir"
    case checkpointInterval = "checkpoint_interval"
    case checkpointMaxAge = "checkpoint_max_age"
    case remoteGrace = "remote_grace"
    case compressionLevel = "compression_level"
    case stopTimeout = "stop_timeout"
    case logFile = "log_file"
    case logLevel = "log_level"
    case s3Endpoint = "s3_endpoint"
    case s3Region = "s3_region"
    case s3StorageClass = "s3_storage_class"
    case s3Encryption = "s3_sse"
    case s3CABundle = "s3_ca_bundle"
    case s3Retry = "s3_retry"
    case metricsMode = "metrics_mode"
    /// Who owns the control files.
    case uid, gid
  }

  /// Settings that are there or not.
  package enum Switch: String, CaseIterable {
    /// Logs are neither deleted nor replaced.
    case nodelete
    /// The page cache gathers appends.
    case writeback
    case checkpointOnUnmount = "checkpoint_on_unmount"
    /// Where requests name the bucket.
    case s3PathStyle = "s3_path_style"
    case s3VirtualHost = "s3_virtual_host"
    /// The mount may hide files of its mount point.
    case nonempty
  }

  package private(set) var settings: [Setting: String] = [:]
  package private(set) var switches: Set<Switch> = []
  /// Handed to the kernel through libfuse, in the order given, each once.
  package private(set) var kernel: [String] = []

  /// Options of the kernel and of libfuse that are passed on.
  package static let passed: Set<String> = [
    "ro", "allow_other", "allow_root", "default_permissions", "noatime", "noexec", "nosuid", "nodev", "sync",
    "dirsync",
  ]

  /// Words that say nothing to us: fstab's own, and those that ask for what is so anyway.
  package static let ignored: Set<String> = [
    "defaults", "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "owner", "group", "rw",
    "async",
    "suid", "dev", "exec", "atime", "diratime", "nodiratime", "relatime",
    "strictatime", "nolazytime", "silent", "loud",
  ]

  package init() {}

  /// - Parameter texts: the values of each `-o`. A comma within a value is written `\,`.
  /// - Throws: `invalidArgument` for unknown names, missing or superfluous values, and for a setting that is
  ///   given twice with different values.
  package init(parsing texts: [String]) throws(AofError) {
    for text in texts {
      for option in Self.split(text) { try add(option) }
    }
  }

  /// Adds the value of a long option. - Throws: `invalidArgument` if `-o` says otherwise.
  package mutating func add(_ setting: Setting, _ value: String?) throws(AofError) {
    guard let value else { return }
    if let old = settings[setting], old != value {
      throw AofError(
        .invalidArgument, "\(setting.rawValue) is given twice, as '\(old)' and as '\(value)'",
        remedy: "say it once")
    }
    settings[setting] = value
  }

  /// Adds a switch that is on.
  package mutating func add(_ on: Switch) { switches.insert(on) }

  package mutating func addKernel(_ option: String) {
    if !kernel.contains(option) { kernel.append(option) }
  }

  private mutating func add(_ option: String) throws(AofError) {
    let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let key = parts.first, !key.isEmpty else { return }
    let value = parts.count > 1 ? parts[1] : nil
    if let setting = Setting(rawValue: key) {
      guard let value, !value.isEmpty else {
        throw AofError(.invalidArgument, "-o \(key) needs a value", remedy: "write \(key)=VALUE")
      }
      try add(setting, value)
    } else if let found = Switch(rawValue: key) {
      try Self.checkHasNoValue(key, value)
      add(found)
    } else if Self.passed.contains(key) {
      try Self.checkHasNoValue(key, value)
      addKernel(key)
    } else if Self.ignored.contains(key) || key.hasPrefix("x-") || key == "comment" {
      return
    } else if key == "remount" {
      throw AofError(.unsupported, "a mount of aofs cannot be changed", remedy: "unmount it, and mount it with the new options")
    } else {
      let names = Setting.allCases.map(\.rawValue) + Switch.allCases.map(\.rawValue) + Self.passed.sorted()
      throw AofError(
        .invalidArgument, "unknown mount option '\(option)'", remedy: "use \(names.joined(separator: ", "))")
    }
  }

  private static func checkHasNoValue(_ key: String, _ value: String?) throws(AofError) {
    guard value == nil else {
      throw AofError(.invalidArgument, "-o \(key) takes no value", remedy: "write \(key) alone, or leave it out")
    }
  }

  /// Cuts at commas that no backslash protects. A backslash before anything else is itself.
  private static func split(_ text: String) -> [String] {
    var options = [""]
    var rest = text[...]
    while let character = rest.popFirst() {
      if character == "\\", rest.first == "," {
        rest.removeFirst()
        options[options.count - 1] += ","
      } else if character == "," {
        options.append("")
      } else {
        options[options.count - 1].append(character)
      }
    }
    return options
  }
}
