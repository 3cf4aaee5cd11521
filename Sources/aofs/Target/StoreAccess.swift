import AOFControl
import AOFCore
import AOFEngine
import AOFFileSystem

/// A store, mounted or not, that commands are sent to.
enum StoreAccess {
  case mounted(MountedStore)
  case open(AofManager, ControlExecutor)

  /// Reaches the target's store, runs `body`, and lets go of the store, whatever `body` came to.
  static func with<Result>(
    _ target: Target, mayCreateStore: Bool = false, _ body: (StoreAccess) throws(AofError) -> Result
  ) throws(AofError) -> Result {
    switch target {
    case .mounted(let store, _): return try body(.mounted(store))
    case .store(let path, _):
      var options = StoreOptions()
      options.createIfMissing = mayCreateStore
      let manager = try StoreOpening.open(path, options: options)
      // Nobody reads through a mount here, so eviction may take a log's end too.
      let control = ControlExecutor(manager: manager, residentTail: 0) { _ in }
      let result: Result
      do throws(AofError) {
        result = try body(.open(manager, control))
      } catch {
        // The error that is thrown explains more than one from closing could add.
        try? manager.close()
        throw error
      }
      try manager.close()
      return result
    }
  }

  func execute(_ command: [UInt8]) throws(AofError) -> ControlAnswer {
    switch self {
    case .mounted(let store): try store.execute(command)
    case .open(_, let control): control.execute(command, defaultLog: nil)
    }
  }

  func metrics() throws(AofError) -> String {
    switch self {
    case .mounted(let store): try store.metrics()
    case .open(_, let control): control.metricsText()
    }
  }

  func status() throws(AofError) -> StoreStatus {
    switch self {
    case .mounted(let store): try store.status()
    case .open(_, let control): try control.storeStatus()
    }
  }
}
