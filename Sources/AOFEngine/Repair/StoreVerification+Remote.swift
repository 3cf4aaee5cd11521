import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem

/// The remote: its chain, whether it and the manifest say the same, and every object.
extension StoreVerification {
  mutating func checkRemote(_ manifest: Manifest, _ survey: ManifestSurvey) throws(AofError) {
    guard let settings = survey.settings else { return }
    let sequence = survey.counters[Manifest.sequenceCounter] ?? 0
    let remote: any RemoteStore
    do throws(AofError) {
      if let givenRemote {
        remote = givenRemote
      } else {
        remote = try RemoteLocation(parsing: settings.remote, workingDirectory: layout.root).openForReading()
      }
    } catch where error.code == .notFound && sequence == 0 {
      return
    }
    if sequence == 0, try RemoteManifestStore.header(of: remote) == nil { return }
    var check = RemoteCheck(remote, random: environment.random)
    try check.chain(RemoteManifestStore(remote, storeID: settings.storeID, create: false), localSequence: sequence)
    for log in survey.logs {
      var ignored: [String] = []
      let extents = manifest.surveyExtents(of: log.id, &ignored)
      let index = report.logs.firstIndex { $0.id == log.id }
      guard let index else { continue }
      try check.objects(of: log, extents, &report.logs[index].report)
    }
    if options.log == nil { try check.rest() }
    report.problems += check.problems
    report.notes += check.notes
  }
}

/// Compares a remote with itself and with a manifest.
struct RemoteCheck {
  private let remote: any RemoteStore
  private let object: ObjectCheck
  private var state = RemoteManifestState()
  private var checked: Set<String> = []
  /// Whether the chain has records that the manifest does not know: they may have dropped what it names.
  private var isChainAhead = false

  private(set) var problems: [String] = []
  private(set) var notes: [String] = []

  /// Objects without a name that are listed one by one; of more, only their number is told.
  private static let listed = 20

  init(_ remote: any RemoteStore, random: @escaping @Sendable () -> UInt64) {
    self.remote = remote
    object = ObjectCheck(
      RemoteChunkStore(store: remote, crc32c: { CRC32C.checksum($1, continuing: $0) }, random: random))
  }

  /// Reads the whole chain. `localSequence`: the last record that the manifest knows.
  mutating func chain(_ chain: RemoteManifestStore, localSequence: UInt64) throws(AofError) {
    let survey = try chain.survey()
    state = survey.state
    problems += survey.problems
    isChainAhead = state.sequence > localSequence
    if state.sequence < localSequence {
      problems.append(
        "\(remote): the chain ends at record \(state.sequence), and record \(localSequence) was published")
    } else if state.sequence > localSequence {
      notes.append(
        "\(remote): the chain has records \(localSequence + 1)...\(state.sequence), which the manifest does not know: "
          + "a crash came before it, or another store directory has taken over")
    }
  }

  /// The objects that the manifest names for one log.
  mutating func objects(
    of log: AofDescriptorRecord, _ extents: [AofChunkRecord], _ report: inout VerifyReport
  ) throws(AofError) {
    for extent in extents {
      guard let stored = extent.object else { continue }
      report.objectsChecked += 1
      checked.insert(stored.key)
      do throws(AofError) {
        try object.check(stored, extent.frames)
        let key = try ObjectKey(parsing: stored.key)
        guard isChainAhead || state.names(key) else {
          throw AofError(.corrupt, "no record of the remote's chain names it")
        }
      } catch where error.isAboutObject {
        report.problems.append("object \(stored.key): \(error)")
      }
    }
  }

  /// The objects that only the chain names, and those that nothing names.
  mutating func rest() throws(AofError) {
    for log in state.logs.keys.sorted() {
      for extent in state.extents(of: log) where !checked.contains(extent.key.text) {
        do throws(AofError) {
          try object.check(extent)
        } catch where error.isAboutObject {
          problems.append("object \(extent.key): \(error)")
        }
      }
    }
    var orphans = 0
    var last: RemoteKey?
    let directory = try RemoteKey("chunks")
    while true {
      let page = try remote.list(directory, after: last, limit: 1000)
      for listing in page where isOrphan(listing.key.text) {
        orphans += 1
        if orphans <= Self.listed { notes.append("\(remote): nothing names the object \(listing.key)") }
      }
      guard page.count == 1000 else { break }
      last = page.last?.key
    }
    if orphans > Self.listed { notes.append("\(remote): nothing names \(orphans) objects in all") }
  }

  private func isOrphan(_ text: String) -> Bool {
    guard let key = try? ObjectKey(parsing: text) else { return false }
    return !state.names(key) && !checked.contains(text)
  }
}

extension AofError {
  /// Whether it says something of one object, so that the others can still be looked at: wrong bytes, or none at all.
  var isAboutObject: Bool {
    code == .corrupt || (code == .remoteFailure && (cause as? AofError)?.code == .notFound)
  }
}
