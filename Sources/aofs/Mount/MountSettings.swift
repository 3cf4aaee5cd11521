import AOFControl
import AOFCore
import AOFEngine
import AOFFuse
import AOFSystem
import Logging

/// Everything a mount needs to know, checked, with absolute paths. What is nil is as the store has it.
struct MountSettings: Equatable {
  var store: String
  var mountPoint: String
  var remote: String?
  var chunkSize: ChunkSize?
  var cacheSize: ByteCount?
  var trashAge: TrashAge?
  var prefetchMemory: ByteCount?
  var walDirectory: String?
  /// Nil: the store does not checkpoint by itself.
  var checkpoints: CheckpointPolicy?
  var checkpointsOnUnmount: Bool
  /// How long objects of the remote are kept that no manifest names any more.
  var remoteGrace: Duration
  /// zstd's.
  var compressionLevel: Int32
  /// Whether logs may be deleted, or replaced by a rename.
  var allowsDeletion: Bool
  /// Whether the kernel's page cache gathers appends.
  var gathersWrites: Bool
  /// Handed to libfuse.
  var kernelOptions: [String]
  /// How long a mount that is in use may take to end, in milliseconds, before it is cut off.
  var stopTimeout: Int
  var logLevel: Logger.Level
  var logFile: String?
  /// The permissions of `.ctl/metrics`.
  var metricsMode: UInt32?
  /// Who owns the control files; nil for who mounts.
  var userID: UInt32?
  var groupID: UInt32?
  /// Whether the mount may hide files of its mount point.
  var mayHideFiles: Bool

  static let defaultStopTimeout = 10_000

  /// - Throws: `invalidArgument` naming the setting; what the system says of a path.
  init(
    store: String, mountPoint: String, options: MountOptionList, isRoot: Bool = FileFacts.isRoot
  ) throws(AofError) {
    self.store = try FileFacts.resolved(store)
    self.mountPoint = try MountPointCheck.resolved(mountPoint)
    let settings = options.settings
    remote = try RemoteArgument.text(options)
    chunkSize = try settings[.chunkSize].map { text throws(AofError) in
      try ChunkSize(ByteCount(parsing: text))
    }
    cacheSize = try settings[.cacheSize].map { text throws(AofError) in try ByteCount(parsing: text) }
    trashAge = try settings[.trashAge].map { text throws(AofError) in try TrashAge(parsing: text) }
    prefetchMemory = try settings[.prefetchMemory].map { text throws(AofError) in try ByteCount(parsing: text) }
    allowsDeletion = !options.switches.contains(.nodelete)
    gathersWrites = options.switches.contains(.writeback)
    walDirectory = try settings[.walDir].map(FileFacts.resolved)
    stopTimeout = try settings[.stopTimeout].map { text throws(AofError) in try Duration(parsing: text).wholeMilliseconds }
      ?? Self.defaultStopTimeout
    checkpoints = try Self.policy(interval: settings[.checkpointInterval], maximumAge: settings[.checkpointMaxAge])
    checkpointsOnUnmount = options.switches.contains(.checkpointOnUnmount)
    remoteGrace = try settings[.remoteGrace].map { text throws(AofError) in try Duration(parsing: text) }
      ?? StoreOptions().remoteGrace
    compressionLevel = try settings[.compressionLevel].map(Self.level) ?? StoreOptions().compressionLevel
    logFile = try settings[.logFile].map(FileFacts.resolved)
    logLevel = try settings[.logLevel].map(Self.level) ?? .notice
    metricsMode = try settings[.metricsMode].map(Self.metricsMode)
    userID = try settings[.uid].map { text throws(AofError) in try Self.number(text, "user") }
    groupID = try settings[.gid].map { text throws(AofError) in try Self.number(text, "group") }
    mayHideFiles = options.switches.contains(.nonempty)
    var kernel = options
    if isRoot {
      // Logs belong to many users; the kernel keeps them apart by the files' permissions.
      kernel.addKernel("allow_other")
      kernel.addKernel("default_permissions")
    }
    kernelOptions = kernel.kernel
  }

  /// The arguments that make the daemon the same settings.
  var arguments: [String] {
    var arguments = ["mount", "--stop-timeout", "\(stopTimeout)ms", "--log-level", logLevel.rawValue]
    arguments += ["--checkpoint-interval", "\((checkpoints?.interval ?? .zero).wholeMilliseconds)ms"]
    arguments += ["--checkpoint-max-age", "\((checkpoints ?? CheckpointPolicy()).maximumAge.wholeMilliseconds)ms"]
    arguments += ["--remote-grace", "\(remoteGrace.wholeMilliseconds)ms"]
    arguments += ["--compression-level", "\(compressionLevel)"]
    if checkpointsOnUnmount { arguments.append("--checkpoint-on-unmount") }
    if let remote { arguments += ["--remote", remote] }
    if let chunkSize { arguments += ["--chunk-size", chunkSize.description] }
    if let cacheSize { arguments += ["--cache-size", cacheSize.description] }
    if let trashAge { arguments += ["--trash-age", trashAge.description] }
    if let prefetchMemory { arguments += ["--prefetch-memory", prefetchMemory.description] }
    if !allowsDeletion { arguments += ["-o", MountOptionList.Switch.nodelete.rawValue] }
    if let walDirectory { arguments += ["--wal-dir", walDirectory] }
    if let logFile { arguments += ["--log-file", logFile] }
    var options = kernelOptions
    if let metricsMode { options.append("metrics_mode=0" + String(metricsMode, radix: 8)) }
    if let userID { options.append("uid=\(userID)") }
    if let groupID { options.append("gid=\(groupID)") }
    if mayHideFiles { options.append(MountOptionList.Switch.nonempty.rawValue) }
    if !allowsDeletion { options.append(MountOptionList.Switch.nodelete.rawValue) }
    if gathersWrites { options.append(MountOptionList.Switch.writeback.rawValue) }
    if !options.isEmpty { arguments += ["-o", options.joined(separator: ",")] }
    return arguments + ["--", store, mountPoint]
  }

  var storeOptions: StoreOptions {
    var options = StoreOptions()
    options.createIfMissing = true
    options.chunkSize = chunkSize
    options.cacheSize = cacheSize
    options.trashAge = trashAge
    if let prefetchMemory { options.prefetchMemory = prefetchMemory }
    options.remote = remote
    options.walDirectory = walDirectory
    options.mountPoint = mountPoint
    options.checkpoints = checkpoints
    options.residentTail = Limits.residentTail
    options.remoteGrace = remoteGrace
    options.compressionLevel = compressionLevel
    return options
  }

  var fuseOptions: MountOptions {
    var options = MountOptions(mountPoint: mountPoint, source: store)
    options.allowOther = kernelOptions.contains("allow_other")
    options.readOnly = kernelOptions.contains("ro")
    options.mayHideFiles = mayHideFiles
    // The kernel checks permissions in any case; the names are left for what libfuse alone knows.
    options.kernelOptions = kernelOptions.filter {
      !["allow_other", "ro", "default_permissions"].contains($0)
    }
    return options
  }

  /// An interval of 0 switches automatic checkpoints off.
  private static func policy(interval: String?, maximumAge: String?) throws(AofError) -> CheckpointPolicy? {
    var policy = CheckpointPolicy()
    if let interval { policy.interval = try Duration(parsing: interval) }
    if let maximumAge { policy.maximumAge = try Duration(parsing: maximumAge) }
    guard policy.interval > .zero else { return nil }
    guard policy.interval >= .seconds(1), policy.maximumAge >= .seconds(1) else {
      throw AofError(
        .invalidArgument, "checkpoints cannot come more often than once a second",
        remedy: "name at least 1s, or 0 as checkpoint_interval for none")
    }
    return policy
  }

  private static func level(_ text: String) throws(AofError) -> Int32 {
    guard let level = Int32(text), (1...22).contains(level) else {
      throw AofError(.invalidArgument, "'\(text)' is not a compression level", remedy: "use 1 to 22")
    }
    return level
  }

  /// Octal; others may read at most, and the owner always does.
  private static func metricsMode(_ text: String) throws(AofError) -> UInt32 {
    guard let mode = UInt32(text, radix: 8), mode & 0o400 != 0, mode & ~0o444 == 0 else {
      throw AofError(
        .invalidArgument, "the metrics cannot have the mode '\(text)'", remedy: "use 0400, 0440, 0404 or 0444")
    }
    return mode
  }

  private static func number(_ text: String, _ what: String) throws(AofError) -> UInt32 {
    guard let number = UInt32(text), number < .max else {
      throw AofError(.invalidArgument, "'\(text)' is not the number of a \(what)", remedy: "'id NAME' shows it")
    }
    return number
  }

  private static func level(_ text: String) throws(AofError) -> Logger.Level {
    guard let level = Logger.Level(rawValue: text) else {
      let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
      throw AofError(.invalidArgument, "'\(text)' is not a log level", remedy: "use one of \(names)")
    }
    return level
  }
}
