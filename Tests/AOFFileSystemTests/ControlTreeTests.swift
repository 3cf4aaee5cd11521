import AOFCore
import Testing

@testable import AOFFileSystem

/// nginx/access.log and top.log.
private struct TwoLogs: NameSpace {
  static let nginx = NodeID(rawValue: 10)
  static let access = NodeID(rawValue: 11)
  static let top = NodeID(rawValue: 12)

  func child(_ name: EntryName, of directory: NodeID) -> (id: NodeID, isDirectory: Bool)? {
    switch (directory, name.description) {
    case (.root, "nginx"): (Self.nginx, true)
    case (.root, "top.log"): (Self.top, false)
    case (Self.nginx, "access.log"): (Self.access, false)
    default: nil
    }
  }

  func names(in directory: NodeID) -> [(name: EntryName, isDirectory: Bool)] {
    let names: [(String, Bool)] =
      switch directory {
      case .root: [("nginx", true), ("top.log", false)]
      case Self.nginx: [("access.log", false)]
      default: []
      }
    return names.compactMap { name, isDirectory in (try? EntryName(name)).map { ($0, isDirectory) } }
  }
}

@Suite("The control directory")
struct ControlTreeTests {
  private func resolve(_ path: String) throws -> ControlNode? {
    var node: ControlNode? = .root
    for name in path.split(separator: "/") { node = try node?.child(EntryName(String(name)), in: TwoLogs()) }
    return node
  }

  @Test("each path leads to what it names")
  func paths() throws {
    #expect(try resolve("command") == .command)
    #expect(try resolve("status.json") == .storeFile(.statusJSON))
    #expect(try resolve("metrics") == .storeFile(.metrics))
    #expect(try resolve("events") == .events)
    #expect(try resolve("logs") == .directory(.root))
    #expect(try resolve("logs/nginx") == .directory(TwoLogs.nginx))
    #expect(try resolve("logs/nginx/access.log") == .log(TwoLogs.access))
    #expect(try resolve("logs/nginx/access.log/tail_lsn") == .logFile(TwoLogs.access, .tail))
    #expect(try resolve("logs/top.log/command") == .logCommand(TwoLogs.top))
    for path in ["nothing", "logs/nothing", "logs/nginx/nothing", "logs/top.log/nothing", "command/x", "status/x"] {
      #expect(try resolve(path) == nil, "\(path)")
    }
  }

  @Test("every name that is listed can be looked up, as the kind that is listed", arguments: [
    "", "logs", "logs/nginx", "logs/nginx/access.log", "logs/top.log",
  ])
  func listing(path: String) throws {
    let directory = try #require(try resolve(path))
    let names = directory.names(in: TwoLogs())
    #expect(!names.isEmpty)
    for name in names {
      let child = try #require(try directory.child(EntryName(name.name), in: TwoLogs()))
      #expect(child.isDirectory == (name.kind == .directory))
    }
  }

  @Test("strangers see and change nothing")
  func permissions() {
    for metrics: UInt32 in [0o400, 0o440, 0o444] {
      func permissions(_ node: ControlNode) -> UInt32 { node.permissions(metrics: metrics) }
      #expect(permissions(.log(.root)) == 0o700)
      #expect(permissions(.command) == 0o600)
      #expect(permissions(.logCommand(.root)) == 0o600)
      #expect(permissions(.storeFile(.status)) == 0o400)
      #expect(permissions(.events) == 0o400)
      #expect(permissions(.logFile(.root, .tail)) == 0o400)
      #expect(permissions(.storeFile(.metrics)) == metrics)
    }
  }

  @Test("whoever may read the metrics may pass through the directory above them, and no more")
  func metricsPermissions() {
    #expect(ControlNode.root.permissions(metrics: 0o400) == 0o700)
    #expect(ControlNode.root.permissions(metrics: 0o440) == 0o710)
    #expect(ControlNode.root.permissions(metrics: 0o444) == 0o711)
  }

  @Test("numbers have the top bit, stay while the kernel knows them, and a command gets a new one each time")
  func numbers() {
    let table = ControlNodeTable()
    let status = table.lookUp(.storeFile(.status))
    #expect(status.isControl)
    #expect(table.lookUp(.storeFile(.status)) == status)
    let commands = [table.lookUp(.command), table.lookUp(.command)]
    #expect(commands[0] != commands[1])
    #expect(table.node(commands[1]) == .command)

    table.forget(status, count: 1)
    #expect(table.node(status) == .storeFile(.status))
    table.forget(status, count: 1)
    #expect(table.node(status) == nil)
    #expect(table.lookUp(.storeFile(.status)) != status)

    for command in commands { table.forget(command, count: 1) }
    #expect(table.count == 1)
    table.forget(NodeID(rawValue: 99), count: 5)
  }
}
