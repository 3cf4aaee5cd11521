import AOFCore

/// What a name below `.ctl` stands for. None of it is in the store.
enum ControlNode: Hashable, Sendable {
  /// `.ctl`
  case root
  /// `.ctl/command`: commands for the whole store.
  case command
  case storeFile(StoreFile)
  /// `.ctl/events`: a stream, which ends when the mount does.
  case events
  /// `.ctl/logs`, and below it one directory for each directory of the store.
  case directory(NodeID)
  /// The directory with the control files of one log.
  case log(LogID)
  case logCommand(LogID)
  case logFile(LogID, LogFile)

  enum StoreFile: String, CaseIterable, Sendable {
    case result
    case status
    case statusJSON = "status.json"
    case metrics
  }

  enum LogFile: String, CaseIterable, Sendable {
    case status
    case chunks
    case head = "head_lsn"
    case sealed = "sealed_lsn"
    case durable = "durable_lsn"
    case remote = "remote_lsn"
    case tail = "tail_lsn"
  }

  static let directoryName = ".ctl"
  static let commandName = "command"
  static let eventsName = "events"
  static let logsName = "logs"

  var isDirectory: Bool {
    switch self {
    case .root, .directory, .log: true
    case .command, .storeFile, .events, .logCommand, .logFile: false
    }
  }

  var isCommand: Bool {
    switch self {
    case .command, .logCommand: true
    default: false
    }
  }

  /// Whether each look-up gets a number of its own: opens of one inode share its lock in the kernel, and one would wait
  /// behind another that is answered late.
  var isLookedUpAnew: Bool { isCommand || self == .events }

  /// - Parameter metrics: the permissions of the metrics. Whoever may read those may pass through the directory above.
  func permissions(metrics: UInt32) -> UInt32 {
    switch self {
    case .root: 0o700 | (metrics & 0o044) >> 2
    case .storeFile(.metrics): metrics
    case .directory, .log: 0o700
    case .command, .logCommand: 0o600
    case .storeFile, .events, .logFile: 0o400
    }
  }
}

/// The part of the store's name space that the tree below `.ctl/logs` mirrors.
protocol NameSpace: Sendable {
  func child(_ name: EntryName, of directory: NodeID) -> (id: NodeID, isDirectory: Bool)?
  func names(in directory: NodeID) -> [(name: EntryName, isDirectory: Bool)]
}

extension ControlNode {
  /// The node that `name` leads to from here; nil if none.
  func child(_ name: EntryName, in space: some NameSpace) -> ControlNode? {
    let text = String(decoding: name.bytes, as: UTF8.self)
    switch self {
    case .root:
      if text == ControlNode.commandName { return .command }
      if text == ControlNode.eventsName { return .events }
      if text == ControlNode.logsName { return .directory(.root) }
      return StoreFile(rawValue: text).map { .storeFile($0) }
    case .directory(let directory):
      guard let child = space.child(name, of: directory) else { return nil }
      return child.isDirectory ? .directory(child.id) : .log(child.id)
    case .log(let log):
      if text == ControlNode.commandName { return .logCommand(log) }
      return LogFile(rawValue: text).map { .logFile(log, $0) }
    case .command, .storeFile, .events, .logCommand, .logFile:
      return nil
    }
  }

  /// The names in this directory. They get their numbers when they are looked up.
  func names(in space: some NameSpace) -> [DirectoryEntry] {
    func files(_ names: [String]) -> [DirectoryEntry] {
      names.map { DirectoryEntry(name: Array($0.utf8), node: nil, kind: .regular) }
    }
    func directory(_ name: [UInt8]) -> DirectoryEntry { DirectoryEntry(name: name, node: nil, kind: .directory) }
    return switch self {
    case .root:
      files([ControlNode.commandName, ControlNode.eventsName] + StoreFile.allCases.map(\.rawValue))
        + [directory(Array(ControlNode.logsName.utf8))]
    case .directory(let node): space.names(in: node).map { directory($0.name.bytes) }
    case .log: files([ControlNode.commandName] + LogFile.allCases.map(\.rawValue))
    case .command, .storeFile, .events, .logCommand, .logFile: []
    }
  }
}
