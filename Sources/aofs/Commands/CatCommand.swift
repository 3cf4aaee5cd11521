import AOFCore
import AOFEngine
import AOFSystem
import ArgumentParser

struct CatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cat", abstract: "Write a log, or a range of its LSNs, to standard output.")

  @Argument(help: ArgumentHelp("A path under a mount, or STORE:NAME.", valueName: "log")) var log: String
  @Option(help: ArgumentHelp("The first LSN; by default the head of the log.", valueName: "lsn"))
  var from: LSNArgument?
  @Option(help: ArgumentHelp("The LSN after the last; by default, and at most, the tail.", valueName: "lsn"))
  var to: LSNArgument?
  @Flag(name: .shortAndLong, help: "Wait at the tail for what is appended, up to --to.") var follow = false
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if let from, let to, from.lsn > to.lsn {
      throw ValidationError("--from \(from.lsn) lies past --to \(to.lsn).")
    }
  }

  func run() throws {
    common.startLogging()
    let target = try Target(log)
    guard let path = VerbRunner.log(of: target) else {
      throw AofError(.invalidArgument, "'\(log)' is a whole store", remedy: "name a log in it")
    }
    switch target {
    case .mounted(let store, _): try copyFile(store.path(path), head: { try store.head(of: path) })
    case .store:
      guard !follow else {
        throw AofError(
          .invalidArgument, "a log of a store that is not mounted does not grow",
          remedy: "mount the store, and follow the log by its path under the mount")
      }
      try StoreAccess.with(target) { store throws(AofError) in
        guard case .open(let manager, _) = store else { return }
        try copyLog(try manager.openLog(path))
      }
    }
  }

  private static let bufferSize = 1 << 20

  /// Reads through the mount, as any program does.
  private func copyFile(_ path: String, head: () throws -> LSN) throws {
    let file = try ByteStream.open(path, .read)
    let start = try from?.lsn ?? head()
    var position = start.rawValue
    let size = try file.size()
    guard follow || position <= size else {
      throw Self.pastTail(LSN(rawValue: position), LSN(rawValue: size))
    }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 4096)
    defer { buffer.deallocate() }
    // The watch begins before the first look at the end, so that no growth falls between the two.
    let watch = follow ? GrowthWatch(path) : nil
    let end = to?.lsn.rawValue ?? .max
    while position < end {
      let wanted = Int(min(UInt64(buffer.count), end - position))
      let count = try file.read(
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: position)
      if count > 0 {
        try ByteStream.standardOutput.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        position += UInt64(count)
      } else if let watch {
        watch.wait()
      } else {
        return
      }
    }
  }

  private func copyLog(_ log: Aof) throws(AofError) {
    let marks = log.watermarks
    let start = from?.lsn ?? marks.head
    guard start <= marks.tail else { throw Self.pastTail(start, marks.tail) }
    var cursor = try log.openCursor(at: start)
    let end = min(to?.lsn ?? marks.tail, marks.tail)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 4096)
    defer { buffer.deallocate() }
    while cursor.position < end {
      let wanted = min(buffer.count, end - cursor.position)
      let count = try cursor.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
      if count == 0 { return }
      try ByteStream.standardOutput.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  private static func pastTail(_ lsn: LSN, _ tail: LSN) -> AofError {
    AofError(.invalidArgument, "LSN \(lsn) lies past the tail", remedy: "the log ends at LSN \(tail)")
  }
}

extension MountedStore {
  /// The head LSN of a log, from its control directory; where that is not ours to read, where its data begins.
  fileprivate func head(of log: LogPath) throws(AofError) -> LSN {
    do throws(AofError) {
      let bytes = try ByteStream.open("\(mountPoint)/.ctl/logs/\(log)/head_lsn", .read).readAll()
      let digits = bytes.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      return LSN(rawValue: UInt64(String(decoding: digits, as: UTF8.self)) ?? 0)
    } catch {
      return LSN(rawValue: try ByteStream.open(path(log), .read).startOfData)
    }
  }
}
