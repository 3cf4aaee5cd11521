import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// What a store can be rebuilt from: what is left of its manifest, and the state of its remote.
struct RecoverySources {
  /// Nil if nothing of a manifest is left.
  let manifest: Manifest?
  let survey: ManifestSurvey
  /// Nil where the store has none, or never published to it.
  let remote: (any RemoteStore)?
  let state: RemoteManifestState
  let location: RemoteLocation
  let storeID: StoreID
  /// Whether there is a WAL where one is looked for without the manifest's help.
  let hasWal: Bool

  /// - Parameter old: the store's directory as it is found.
  init(
    _ old: StoreLayout, _ options: RecoverOptions, _ environment: Environment, remote given: (any RemoteStore)?
  ) throws(AofError) {
    manifest = try Self.leftOfManifest(old, environment.disk)
    survey = manifest?.survey() ?? ManifestSurvey()
    let published = survey.counters[Manifest.sequenceCounter] ?? 0
    location = try RemoteLocation(
      parsing: options.remote ?? survey.settings?.remote ?? StoreLayout.defaultRemote,
      workingDirectory: options.remote == nil ? old.root : try PathFacts.absolute(".")
    ).settled
    var opened = given
    if opened == nil {
      do throws(AofError) {
        opened = try location.openForReading()
      } catch where error.code == .notFound && options.remote == nil && published == 0 {
        opened = nil
      }
    }
    let header = try opened.map { store throws(AofError) in try RemoteManifestStore.header(of: store) } ?? nil
    if header == nil, let opened, options.remote != nil || published > 0 {
      throw AofError(
        .notAStore, "\(opened) is not the remote of a store: it has no \(RemoteStoreHeader.key)",
        remedy: "name the remote that the store was created with")
    }
    let inWal = try Self.idOfWal(old, options, environment)?.description
    hasWal = inWal != nil
    let known = survey.settings?.storeID ?? inWal
    if let header, let known, header.storeID != known {
      throw AofError(.notAStore, "\(location) is the remote of store \(header.storeID), not of \(known)")
    }
    remote = header == nil ? nil : opened
    if let header, let opened {
      state = try RemoteManifestStore(opened, storeID: header.storeID, create: false).state()
    } else {
      state = RemoteManifestState()
    }
    if let id = (header?.storeID ?? known).flatMap({ StoreID($0) }) {
      storeID = id
    } else {
      storeID = StoreID(high: environment.random(), low: environment.random())
    }
  }

  /// The manifest, or the newest one that a recovery which was cut short has moved aside. Nil if there is none, or
  /// nothing of it can be read.
  private static func leftOfManifest(_ old: StoreLayout, _ disk: any Disk) throws(AofError) -> Manifest? {
    guard disk.exists(old.root) else { return nil }
    let aside = try disk.list(old.root).filter { $0.hasPrefix(StoreLayout.damagedPrefix) && !$0.hasSuffix("-wal") }.max()
    let path = disk.exists(old.manifest) ? old.manifest : aside.map { old.root + "/" + $0 }
    do throws(AofError) {
      return try path.map { path throws(AofError) in try Manifest.openCopy(of: path, damaged: true) }
    } catch where error.code == .corrupt {
      return nil
    }
  }

  /// The id in the WAL's segments; a spare one was a segment once.
  private static func idOfWal(
    _ old: StoreLayout, _ options: RecoverOptions, _ environment: Environment
  ) throws(AofError) -> StoreID? {
    if let directory = try options.walDirectory.map(PathFacts.absolute) {
      // There each store has a directory that is named after its id. Of several nothing says which.
      let ids = ((try? environment.disk.list(directory)) ?? []).compactMap { StoreID($0) }
      if ids.count == 1 { return ids[0] }
    }
    let directory = old.resolve(StoreLayout.defaultWal)
    for name in (try? environment.disk.list(directory)) ?? [] where name.hasSuffix(".wal") || name.hasSuffix(".spare") {
      let segment = try WalBytes(directory + "/" + name, environment.disk)
      if let header = segment.header { return header.storeID }
    }
    return nil
  }

  /// Whether the manifest is there and nothing is wrong with it.
  func isSound(_ old: StoreLayout, _ disk: any Disk) throws(AofError) -> Bool {
    guard let manifest, disk.exists(old.manifest), survey.problems.isEmpty, survey.names.problems.isEmpty,
      survey.names.problems(with: survey.logs, survey.walDirectories).isEmpty,
      (try? manifest.integrityProblems())?.isEmpty == true
    else { return false }
    return survey.logs.allSatisfy { log in
      var problems: [String] = []
      let extents = manifest.surveyExtents(of: log.id, &problems)
      return problems.isEmpty
        && LogAudit(log, extents, epoch: survey.counters[Manifest.epochCounter] ?? 0).problems.isEmpty
    }
  }
}

/// A segment of a WAL, as it lies on the disk.
final class WalBytes {
  private let bytes: UnsafeMutableRawBufferPointer
  private let path: String

  init(_ path: String, _ disk: any Disk) throws(AofError) {
    self.path = path
    let file = try disk.open(path, .read)
    let size = try file.size()
    bytes = .allocate(byteCount: max(1, size), alignment: 4096)
    let count = try file.read(into: bytes, at: 0)
    UnsafeMutableRawBufferPointer(rebasing: bytes[count...]).initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { bytes.deallocate() }

  /// Nil if it is damaged, or of a later version.
  var header: WALSegmentHeader? {
    try? WALSegmentHeader(
      decoding: UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, WALFormat.segmentHeaderSize)]), path: path)
  }

  /// Calls `body` with each sound frame, also behind damage.
  func forEachFrame(_ body: (WALFrameHeader) -> Void) {
    guard let header else { return }
    var scanner = SegmentScanner(header: header, bytes: UnsafeRawBufferPointer(bytes))
    repeat {
      while let frame = scanner.next() { body(frame.header) }
    } while scanner.skipToNextFrame()
  }
}
