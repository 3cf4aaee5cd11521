import AOFCore

/// Owner, permissions and times of a log or directory.
public struct NodeAttributes: Hashable, Sendable {
  /// Permission bits (07777 without setuid and setgid), without the file type.
  public var mode: UInt32
  public var userID: UInt32
  public var groupID: UInt32
  public var accessTime: UnixTime
  public var modificationTime: UnixTime
  public var changeTime: UnixTime

  public init(
    mode: UInt32, userID: UInt32, groupID: UInt32, accessTime: UnixTime, modificationTime: UnixTime,
    changeTime: UnixTime
  ) {
    self.mode = mode
    self.userID = userID
    self.groupID = groupID
    self.accessTime = accessTime
    self.modificationTime = modificationTime
    self.changeTime = changeTime
  }

  /// All times are `now`.
  public init(mode: UInt32, userID: UInt32, groupID: UInt32, now: UnixTime) {
    self.init(
      mode: mode, userID: userID, groupID: groupID, accessTime: now, modificationTime: now, changeTime: now)
  }
}

/// What a name stands for. Stored as its number.
public enum NodeKind: Int64, Hashable, Sendable {
  case directory = 0
  case log = 1
}

/// One name in the store's name space.
public struct NodeRecord: Hashable, Sendable {
  public let id: NodeID
  public let kind: NodeKind
  /// The root is its own parent; logs in the trash have none.
  public var parent: NodeID
  /// Nil for the root, and in the trash.
  public var name: EntryName?
  public var attributes: NodeAttributes

  /// Whether it is a log that has no name any more, and may get one again.
  public var isInTrash: Bool { parent == .trash }

  public init(id: NodeID, kind: NodeKind, parent: NodeID, name: EntryName?, attributes: NodeAttributes) {
    self.id = id
    self.kind = kind
    self.parent = parent
    self.name = name
    self.attributes = attributes
  }
}
