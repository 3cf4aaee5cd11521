import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// Carries out what a verification found that can be repaired without losing anything. INVARIANT: who runs it holds the
/// store's lock.
struct StoreRepair {
  private let layout: StoreLayout
  private let environment: Environment
  private let manifest: Manifest
  private let logs: [LogID: AofDescriptorRecord]
  private let localChunks: LocalChunkStore
  private let evidence: Evidence
  private let openRemote: () throws(AofError) -> any RemoteStore

  private(set) var repaired: [String] = []
  private(set) var left: [String] = []

  /// What the extents' residency becomes.
  private var residency: [Place: Bitmap] = [:]

  private struct Place: Hashable {
    let log: LogID
    let range: Range<LSN>
  }

  init(
    _ layout: StoreLayout, _ environment: Environment, _ manifest: Manifest, remote: (any RemoteStore)?
  ) throws(AofError) {
    self.layout = layout
    self.environment = environment
    self.manifest = manifest
    localChunks = LocalChunkStore(environment.disk)
    evidence = Evidence(layout, environment)
    logs = Dictionary(manifest.survey().logs.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    for log in logs.values { localChunks.register(log.id, directory: layout.resolve(log.dataDirectory)) }
    openRemote = { () throws(AofError) in
      if let remote { return remote }
      let location = try manifest.settings().remote
      return try RemoteLocation(parsing: location, workingDirectory: layout.root).openForReading()
    }
  }

  mutating func run(_ remedies: [Remedy]) throws(AofError) {
    var chunks: RemoteChunkStore?
    for remedy in remedies {
      do throws(AofError) {
        switch remedy {
        case .refetch(let extent, let frame):
          if chunks == nil {
            chunks = RemoteChunkStore(
              store: try openRemote(), crc32c: { CRC32C.checksum($1, continuing: $0) }, random: environment.random)
          }
          if let chunks { try refetch(extent, frame, from: chunks) }
        case .markResident(let extent, let frame):
          setResident(true, extent, frame)
          repaired.append("\(Self.place(extent, frame)): counts as resident again")
        case .remove(let path, let what):
          try environment.disk.remove(path)
          repaired.append("\(path): removed, \(what)")
        }
      } catch {
        left.append("\(Self.name(remedy)): \(error)")
      }
    }
    for log in logs.keys { try localChunks.sync(log) }
    try manifest.recordResidency(residency.map { ($0.key.log, $0.key.range, $0.value) })
  }

  // MARK: Frames

  /// Brings a frame back; where its whole chunk file is gone it counts as evicted instead.
  private mutating func refetch(
    _ extent: AofChunkRecord, _ index: Int, from chunks: RemoteChunkStore
  ) throws(AofError) {
    guard let log = logs[extent.log], let object = extent.object else {
      throw AofError(.corrupt, "the manifest knows no object of it")
    }
    let (lsn, frame) = (extent.start(ofFrame: index), extent.frames[index])
    let bytes = try ObjectCheck(chunks).content(of: object, frame, index)
    let path = chunkFile(log, extent.chunk)
    guard environment.disk.exists(path) else {
      setResident(false, extent, index)
      repaired.append("\(Self.place(extent, index)): counts as evicted, for its chunk file is gone")
      return
    }
    let offset = log.chunkSize.chunkOffset(for: lsn)
    let name = "\(FixedWidthNumber.hex(log.id.rawValue))-\(lsn)"
    let copy = try evidence.keep(
      offset..<(offset + bytes.count), of: environment.disk.open(path, .read), as: name)
    try bytes.withTypedBytes { bytes throws(AofError) in
      try localChunks.write(bytes, of: log.id, at: lsn, chunkSize: log.chunkSize)
    }
    setResident(true, extent, index)
    repaired.append(
      "\(Self.place(extent, index)): brought back from the remote"
        + (copy.map { "; what was there is in \($0)" } ?? ""))
  }

  private mutating func setResident(_ isResident: Bool, _ extent: AofChunkRecord, _ index: Int) {
    let place = Place(log: extent.log, range: extent.range)
    residency[place, default: extent.residency][index] = isResident
  }

  private func chunkFile(_ log: AofDescriptorRecord, _ chunk: ChunkID) -> String {
    layout.chunkFile(chunk, of: log.id, in: log.dataDirectory)
  }

  // MARK: Names

  private static func place(_ extent: AofChunkRecord, _ index: Int) -> String {
    let start = extent.start(ofFrame: index)
    return "log \(extent.log), LSN \(start)..<\(start + Int(extent.frames[index].length))"
  }

  private static func name(_ remedy: Remedy) -> String {
    switch remedy {
    case .refetch(let extent, let frame), .markResident(let extent, let frame): place(extent, frame)
    case .remove(let path, _): path
    }
  }
}

extension AofChunkRecord {
  /// The first LSN of a frame, which exists.
  func start(ofFrame index: Int) -> LSN { frames[..<index].reduce(range.lowerBound) { $0 + Int($1.length) } }
}
