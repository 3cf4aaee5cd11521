import AOFCore
import AOFEngine
import AOFSystem

/// The names of the store, as the tree below `.ctl/logs` mirrors them.
struct StoreNames: NameSpace {
  let manager: AofManager

  func child(_ name: EntryName, of directory: NodeID) -> (id: NodeID, isDirectory: Bool)? {
    manager.lookUp(name, in: directory).map { ($0.id, $0.kind == .directory) }
  }

  func names(in directory: NodeID) -> [(name: EntryName, isDirectory: Bool)] {
    manager.children(of: directory).compactMap { node in node.name.map { ($0, node.kind == .directory) } }
  }
}

extension FileSystem {
  static func isControlDirectory(_ name: [UInt8], in parent: NodeID) -> Bool {
    parent == .root && name.elementsEqual(ControlNode.directoryName.utf8)
  }

  func controlNode(_ id: NodeID) throws(AofError) -> ControlNode {
    guard let node = controlNodes.node(id) else { throw .stale(id) }
    return node
  }

  /// Nothing below `.ctl` can be changed by name, and `.ctl` itself is no name for a log.
  func refuseControl(_ parent: NodeID, _ name: [UInt8]) throws(AofError) {
    if parent.isControl { throw AofError(.notPermitted, "the control directory takes no other names") }
    if Self.isControlDirectory(name, in: parent) { throw .controlDirectory }
  }

  func lookUpControl(_ name: EntryName, in parent: NodeID) throws(AofError) -> Entry {
    let node: ControlNode
    if parent == .root {
      node = .root
    } else {
      guard let child = try controlNode(parent).child(name, in: names) else {
        throw AofError(.notFound, "no control file is called '\(name)'")
      }
      node = child
    }
    return controlEntry(node, id: controlNodes.lookUp(node))
  }

  /// Nothing here is worth remembering for the kernel: names come and go with the logs, and a command needs
  /// a new number each time.
  func controlEntry(_ node: ControlNode, id: NodeID) -> Entry {
    let now = options.clock.now()
    return Entry(
      attributes: FileAttributes(
        node: id, kind: node.isDirectory ? .directory : .regular, permissions: node.permissions(metrics: options.metricsPermissions),
        links: node.isDirectory ? 2 : 1, userID: options.owner.userID, groupID: options.owner.groupID,
        accessTime: now, modificationTime: now, changeTime: now),
      nameValidity: 0, attributeValidity: 0)
  }

  /// Truncating a command file is what shells do before they write to it; all else stays as it is.
  func changeControl(_ id: NodeID, _ change: AttributeChange) throws(AofError) -> Entry {
    let node = try controlNode(id)
    guard change.permissions == nil, change.userID == nil, change.groupID == nil,
      change.size == nil || node.isCommand
    else { throw AofError(.notPermitted, "control files cannot be changed") }
    return controlEntry(node, id: id)
  }

  func openControl(_ id: NodeID, _ flags: OpenFlags) throws(AofError) -> OpenAnswer {
    let node = try controlNode(id)
    let handle: Handle
    switch node {
    case .root, .directory, .log: throw AofError(.isADirectory, "a control directory cannot be opened as a file")
    case .command: handle = .command(CommandHandle(defaultLog: nil))
    case .logCommand(let log): handle = .command(CommandHandle(defaultLog: log))
    case .events:
      try refuseWriting(flags)
      handle = .events(events.makeReader())
    case .storeFile(let file):
      try refuseWriting(flags)
      handle = .text(Array(text(of: file).utf8))
    case .logFile(let log, let file):
      try refuseWriting(flags)
      handle = .text(Array(try text(of: file, log).utf8))
    }
    return OpenAnswer(
      handle: handles.insert(handle), bypassesCache: true, keepsCache: false, isStream: node == .events)
  }

  private func refuseWriting(_ flags: OpenFlags) throws(AofError) {
    guard flags.canWrite || flags.truncates else { return }
    throw AofError(.notPermitted, "this control file is only for reading", remedy: "write commands to .ctl/command")
  }

  private func text(of file: ControlNode.StoreFile) -> String {
    switch file {
    case .result: control.lastResult()
    case .status: control.statusText()
    case .statusJSON: control.statusJSON()
    case .metrics: control.metricsText()
    }
  }

  private func text(of file: ControlNode.LogFile, _ id: LogID) throws(AofError) -> String {
    let aof = try manager.log(id)
    return switch file {
    case .status: control.logStatusText(id)
    case .chunks: control.chunksTable(id)
    case .head: "\(aof.watermarks.head)\n"
    case .sealed: "\(aof.watermarks.sealed)\n"
    case .durable: "\(aof.watermarks.durable)\n"
    case .remote: "\(aof.watermarks.remote)\n"
    case .tail: "\(aof.watermarks.tail)\n"
    }
  }

  /// Each write is executed as it came, on a thread that may wait, and its errno is the command's. What is written again
  /// because a signal came is executed once.
  func execute(_ bytes: UnsafeRawBufferPointer, on handle: CommandHandle) -> WriteAnswer {
    let command = Array(bytes)
    return .later(
      Deferred { [self] waiter, whenDone in
        guard let number = handle.begin(command, for: waiter, whenDone) else { return }
        let resume: ControlExecutor.Resume = { [commands] job in commands.add(job) }
        let queued = resume {
          self.control.execute(command, defaultLog: handle.defaultLog, resume: resume) { answer in
            handle.end(number, answer.error.map { .failure($0) } ?? .success(command.count), answer.text)
          }
        }
        if !queued { handle.end(number, .failure(AofError(.busy, "the file system is being unmounted")), "") }
      })
  }
}

extension FileSystem {
  /// Makes the kernel forget what it holds of a log that was cut, and waits for that: a READ of the log may be waiting for
  /// the remote, and the kernel waits for the READ.
  func didCut(_ log: LogID, at lsn: LSN) {
    coherence(of: log).didCut(at: lsn)
    writebacks[log]?.didCut()
    let done = Monitor(false)
    options.kernelCache.invalidateAll(log) { done.change { $0 = true } }
    done.wait { $0 ? () : nil }
  }
}

extension AofError {
  static var controlDirectory: AofError {
    AofError(.notPermitted, "'.ctl' in the root is the control directory", remedy: "choose another name")
  }
}
