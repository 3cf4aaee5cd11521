import AOFControl
import AOFCore
import AOFSystem
import ArgumentParser

struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "Show a store's metrics, in the text format of Prometheus.",
    discussion: """
      With --listen they are served over HTTP, at /metrics, until the command is ended; each request reads the mount anew, \
      at most once a second. The server knows no passwords: listen on an address that only your Prometheus reaches.
      """)

  @Argument(help: ArgumentHelp("A MOUNTPOINT, or STORE.", valueName: "where")) var place: String
  @Option(
    help: ArgumentHelp("Serve the metrics of a mount at this address: 127.0.0.1:9100, [::1]:9100 or :9100.", valueName: "address"))
  var listen: String?
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.startLogging()
    let target = try Target(place)
    guard let listen else { return try Output.show(StoreAccess.with(target) { store throws(AofError) in try store.metrics() }) }
    guard case .mounted(let store, _) = target else {
      throw AofError(
        .invalidArgument, "the store '\(place)' is not mounted", remedy: "give the mount point, for metrics that move")
    }
    try serve(store, listen)
  }

  private func serve(_ store: MountedStore, _ address: String) throws(AofError) {
    let socket = try ListeningSocket(address)
    Output.complain("aofs: metrics are at http://\(socket.address)/metrics\n")
    var source = MetricsSource(store)
    var server = SocketServer(socket)
    try server.run { bytes in
      switch MetricsRequest(bytes, limit: SocketServer.longestRequest) {
      case nil: nil
      case .refused(let refusal): MetricsRequest.answer(refusal)
      case .metrics(let withBody): source.answer(withBody: withBody)
      }
    }
  }
}

/// The metrics of a mount, read at most once a second, however many ask.
private struct MetricsSource {
  private let store: MountedStore
  private var latest: (text: String, age: Stopwatch)?

  init(_ store: MountedStore) { self.store = store }

  mutating func answer(withBody: Bool) -> [UInt8] {
    if let latest, latest.age.elapsed < .seconds(1) { return MetricsRequest.answer(latest.text, withBody: withBody) }
    let age = Stopwatch()
    do throws(AofError) {
      let text = try store.metrics()
      latest = (text, age)
      return MetricsRequest.answer(text, withBody: withBody)
    } catch {
      latest = nil
      return MetricsRequest.answer(.unavailable, "\(error)")
    }
  }
}
