import AOFCore
import AOFFormat
import AOFManifest
import AOFRemote
import AOFSystem
import Logging

/// Checks a store that nobody has open, and changes nothing of it: not even its WAL is recovered.
///
/// The manifest is read in a copy; the WAL is recovered on a disk that forgets, so that what is reported is what the next
/// opening would do; the remote is read through an opening that leaves it alone.
struct StoreVerification {
  let layout: StoreLayout
  let options: VerifyOptions
  let environment: Environment
  let chunks: LocalChunkStore
  private let forgetful: ForgetfulDisk
  let givenRemote: (any RemoteStore)?

  var report = StoreReport()
  private(set) var remedies: [Remedy] = []
  /// How far the WAL brings each log.
  private var tails: [LogID: LSN] = [:]

  init(
    _ layout: StoreLayout, _ options: VerifyOptions, _ environment: Environment, remote: (any RemoteStore)?
  ) {
    self.layout = layout
    self.options = options
    self.environment = environment
    forgetful = ForgetfulDisk(environment.disk)
    chunks = LocalChunkStore(forgetful)
    givenRemote = remote
  }

  /// - Throws: `notFound`, `notAStore`, `newerVersion`; local failures and `remoteFailure`, when it cannot go on.
  mutating func run() throws(AofError) {
    guard let manifest = try openManifest() else { return }
    do throws(AofError) {
      report.problems += try manifest.integrityProblems().map { "the manifest: \($0)" }
    } catch where error.code == .corrupt {
      report.problems.append(error.message)
    }
    let survey = manifest.survey()
    let names = survey.names
    report.problems += (survey.problems + names.problems + names.problems(with: survey.logs, survey.walDirectories))
      .map { "the manifest: \($0)" }
    for log in survey.logs { chunks.register(log.id, directory: layout.resolve(log.dataDirectory)) }
    try checkWals(survey)
    try checkLogs(manifest, survey, names)
    try checkFiles(manifest, survey)
    if options.remote { try checkRemote(manifest, survey) }
    report.logs.sort { $0.path < $1.path }
  }

  /// Nil if it cannot be opened, which is reported.
  private mutating func openManifest() throws(AofError) -> Manifest? {
    let disk = environment.disk
    guard disk.exists(layout.manifest) else {
      guard disk.exists(layout.resolve(StoreLayout.defaultChunks)) || disk.exists(layout.lock) else {
        throw AofError(
          disk.exists(layout.root) ? .notAStore : .notFound, "\(layout.root) is not a store of aofs",
          remedy: "name the directory that 'aofs mount' created")
      }
      report.problems.append("the store has lost its manifest, \(layout.manifest): 'aofs recover' makes a new one")
      return nil
    }
    if let problem = try Manifest.journalProblem(of: layout.manifest, on: disk) {
      report.problems.append("the manifest: \(problem)")
    }
    do throws(AofError) {
      return try Manifest.openCopy(of: layout.manifest)
    } catch where error.code == .corrupt {
      report.problems.append(error.message + ": 'aofs recover' makes a new one of what can be read")
      return nil
    }
  }

  mutating func add(_ remedy: Remedy) { remedies.append(remedy) }

  // MARK: The WAL

  /// Recovers each WAL on a disk that forgets.
  private mutating func checkWals(_ survey: ManifestSurvey) throws(AofError) {
    guard let settings = survey.settings, let storeID = StoreID(settings.storeID) else { return }
    for stored in survey.walDirectories {
      let record = WalDirectoryRecord(
        id: stored.id, path: layout.resolve(stored.path), firstSequence: stored.firstSequence)
      guard environment.disk.exists(record.path) else {
        report.problems.append("the WAL directory \(record.path) is missing; the ends of logs may be in it")
        continue
      }
      let observation = Observation(clock: environment.clock, logger: Self.silent)
      var recovery = WalRecovery(
        directory: record, logs: survey.logs.filter { $0.walDirectory == record.id }, storeID: storeID,
        environment: Environment(disk: forgetful, clock: environment.clock, random: environment.random),
        chunks: chunks, observation: observation, evidenceDirectory: layout.evidence)
      let kept = forgetful.wouldBeCreated.count
      do throws(AofError) {
        try recovery.run()
      } catch where error.code == .notAStore {
        report.problems.append(error.message)
      }
      // A recovery keeps evidence of damage, or closes a log for it, and does neither for what a power cut leaves.
      let failed = survey.logs.filter { $0.failure == nil && recovery.logs[$0.id]?.record.failure != nil }
      let isDamaged =
        !failed.isEmpty || forgetful.wouldBeCreated[kept...].contains { $0.hasPrefix(layout.evidence + "/") }
      let messages = observation.incidents.map(\.message)
      if isDamaged { report.problems += messages } else { report.notes += messages }
      for (id, log) in recovery.logs { tails[id] = log.tail }
    }
  }

  private static let silent = Logger(label: "aofs", factory: { _ in SwiftLogNoOpLogHandler() })

  // MARK: Logs

  private mutating func checkLogs(
    _ manifest: Manifest, _ survey: ManifestSurvey, _ names: ManifestNames
  ) throws(AofError) {
    if let log = options.log, !survey.logs.contains(where: { names.path(of: $0.id) == log }) {
      throw AofError(.notFound, "there is no log '\(log)'", remedy: "'aofs ls' lists the logs")
    }
    for log in survey.logs {
      let path = names.path(of: log.id) ?? names.oldPath(of: log.id) ?? LogPath(names: [])
      if options.log != nil, names.path(of: log.id) == nil { continue }
      if let wanted = options.log, wanted != path { continue }
      var found = VerifyReport()
      let extents = manifest.surveyExtents(of: log.id, &found.problems)
      found.problems += LogAudit(log, extents, epoch: survey.counters[Manifest.epochCounter] ?? 0).problems
      if let failure = log.failure { report.notes.append("log '\(path)' takes no appends: \(failure)") }
      if names.oldPath(of: log.id) != nil { report.notes.append("log \(log.id), once '\(path)', is in the trash") }
      try checkFrames(log, extents, &found)
      report.logs.append((log.id, path, found))
    }
  }

  private mutating func checkFrames(
    _ log: AofDescriptorRecord, _ extents: [AofChunkRecord], _ found: inout VerifyReport
  ) throws(AofError) {
    let local = LocalFrames(chunks, log)
    var lines = RangeLines()
    for extent in extents {
      var lsn = extent.range.lowerBound
      for (index, frame) in extent.frames.enumerated() {
        defer { lsn = lsn + Int(frame.length) }
        let isResident = extent.residency[index]
        if !isResident && extent.object != nil { continue }
        found.framesChecked += 1
        let fault = try local.fault(at: lsn, frame)
        guard let text = judge(fault, isResident, extent, index) else { continue }
        lines.add(lsn..<(lsn + Int(frame.length)), text)
      }
    }
    var lsn = log.sealed
    for frame in log.appliedFrames {
      found.framesChecked += 1
      if let fault = try local.fault(at: lsn, frame) {
        lines.add(lsn..<(lsn + Int(frame.length)), "\(fault); they are not sealed yet, and nothing else holds them")
      }
      lsn = lsn + Int(frame.length)
    }
    found.problems += lines.lines
  }

  /// What to say of a frame, and what a repair may do about it; nil if all is well.
  private mutating func judge(
    _ fault: String?, _ isResident: Bool, _ extent: AofChunkRecord, _ index: Int
  ) -> String? {
    switch (fault, isResident) {
    case (nil, true): return nil
    case (nil, false):
      add(.markResident(extent, frame: index))
      return "the manifest calls them evicted, and they are here and nowhere else"
    case (let fault?, _) where extent.object == nil: return "\(fault); nothing else holds them"
    case (let fault?, _):
      add(.refetch(extent, frame: index))
      return "\(fault); the remote holds them"
    }
  }

  // MARK: Files

  /// Looks for files that no row of the manifest accounts for.
  private mutating func checkFiles(_ manifest: Manifest, _ survey: ManifestSurvey) throws(AofError) {
    var audit = FileAudit(layout: layout, disk: environment.disk)
    for log in survey.logs {
      try audit.check(log, extents: { manifest.surveyExtents(of: log.id, &$0) }, tail: tails[log.id] ?? log.applied)
    }
    try audit.checkDirectories(of: survey.logs, purged: survey.purged)
    try audit.checkRoot(wals: survey.walDirectories.map { layout.resolve($0.path) })
    report.notes += audit.notes
    remedies += audit.remedies
  }
}
