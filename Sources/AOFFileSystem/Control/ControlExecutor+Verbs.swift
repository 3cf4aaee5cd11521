import AOFControl
import AOFCore
import AOFEngine

/// What each verb does to one log, and the words it is answered in.
extension ControlExecutor {
  func create(_ path: LogPath, chunkSize: ChunkSize?) throws(AofError) -> ControlAnswer {
    let name = path.description
    guard Array(name.utf8) == path.bytes else {
      throw AofError(
        .invalidArgument,
        "\(ControlQuoting.readable(path.bytes)) is not UTF-8, so it cannot be created by command",
        remedy: "create it as a file under the mount")
    }
    let log = try createLog(AofConfig(name: name, chunkSize: chunkSize))
    let text = "\(ControlQuoting.readable(path.bytes)): created with chunks of \(log.chunkSize)\n"
    return ControlAnswer(text: text, error: nil)
  }

  /// Creates a log where a mount can show it.
  /// - Throws: `notPermitted` for a name that is the control directory's; as `AofManager.createLog(_:)` else.
  package func createLog(_ config: AofConfig) throws(AofError) -> Aof {
    if let first = try LogPath(config.name).names.first, FileSystem.isControlDirectory(first.bytes, in: .root) {
      throw .controlDirectory
    }
    return try manager.createLog(config)
  }

  func seal(_ named: NamedLog) throws(AofError) -> String {
    guard let range = try named.log.sealTail() else { return "nothing to seal" }
    return "sealed \(range.lowerBound)-\(range.upperBound)"
  }

  func checkpoint(_ named: NamedLog) throws(AofError) -> String {
    "on the remote up to LSN \(try named.log.checkpoint())"
  }

  func evict(_ named: NamedLog) throws(AofError) -> String {
    let freed = try named.log.evict(keepingLast: residentTail)
    whenEvicted(named.log.id)
    return "freed \(freed.rawValue) bytes"
  }

  /// A range past the tail is cut at the tail.
  func hydrate(_ named: NamedLog, _ range: Range<LSN>?) throws(AofError) -> String {
    let tail = named.log.watermarks.tail
    let wanted = range.map { min($0.lowerBound, tail)..<min($0.upperBound, tail) }
    if let wanted, wanted.isEmpty { return "fetched 0 bytes" }
    let number = running.begin(
      ControlCommand.hydrate(.log(named.path), wanted).summary,
      RunningCommands.Progress(log: named.log, range: wanted, total: try named.log.coldBytes(in: wanted)))
    defer { running.end(number) }
    return "fetched \(try named.log.hydrate(wanted).rawValue) bytes"
  }

  func verify(
    _ logs: [NamedLog], wholeStore: Bool, remote: Bool, format: ControlCommand.Format
  ) -> ControlAnswer {
    var first: AofError?
    var found: [LogVerification] = []
    var problems: [String] = []
    if wholeStore {
      do throws(AofError) { problems = try manager.verifyStore(remote: remote) } catch { problems = [ControlQuoting.line("\(error)")] }
      first = problems.first.map { AofError(.corrupt, $0) }
    }
    for named in logs {
      var report: VerifyReport?
      var failure: AofError?
      do throws(AofError) { report = try named.log.verify(remote: remote) } catch { failure = error }
      if failure == nil, let problem = report?.problems.first {
        first = first ?? AofError(.corrupt, "\(named.label): \(problem)")
      }
      first = first ?? failure
      found.append(
        LogVerification(
          path: ReportedPath(named.path), framesChecked: report?.framesChecked ?? 0,
          objectsChecked: report?.objectsChecked ?? 0, problems: report?.problems ?? [],
          failure: failure.map { "\($0)" }))
    }
    let result = VerifyResult(logs: found, problems: problems)
    switch format {
    case .json: return ControlAnswer(text: ReportJSON.text(result), error: first)
    case .text: return ControlAnswer(text: (logs.isEmpty ? "there are no logs\n" : "") + result.text, error: first)
    }
  }

  /// One object a line, in the order of their LSNs: a path where the remote is a directory, so that
  /// `aofs objects LOG | xargs -d '\n' zstd -dc` is the log; else `s3://` and the whole key.
  func objects(_ logs: [NamedLog]) throws(AofError) -> ControlAnswer {
    let remote = manager.settings.remote
    let directory = (remote.hasPrefix("dir:") ? remote.dropFirst("dir:".count) : remote.prefix { $0 != "?" }) + "/"
    var text = ""
    for named in logs {
      for object in try named.log.objects() { text += directory + object.key + "\n" }
    }
    return ControlAnswer(text: text, error: nil)
  }

  func status(_ target: ControlCommand.Target, _ defaultLog: LogID?) throws(AofError) -> ControlAnswer {
    if target == .unnamed, defaultLog == nil { return ControlAnswer(text: statusText(), error: nil) }
    let text = try logs(target, defaultLog).map { status(of: $0).text }.joined()
    return ControlAnswer(text: text, error: nil)
  }

  func trim(_ named: NamedLog, _ lsn: LSN, _ timeout: Duration?) throws(AofError) -> String {
    let request = TruncationRequest(.head, at: lsn, timeout: timeout ?? TruncationRequest.standardTimeout)
    let head = try named.log.truncate(request)
    whenEvicted(named.log.id)
    return "begins at LSN \(head)"
  }

  func truncate(_ logs: [NamedLog], _ lsn: LSN, _ timeout: Duration?) throws(AofError) -> ControlAnswer {
    var text = ""
    for named in logs {
      let request = TruncationRequest(.tail, at: lsn, timeout: timeout ?? TruncationRequest.standardTimeout)
      do throws(AofError) {
        let end = try named.log.truncate(request)
        whenCut((named.log.id, end))
      } catch {
        return ControlAnswer(text: text + "\(named.label): \(ControlAnswer.line(error))", error: error)
      }
      text += "\(named.label): ended at LSN \(lsn), generation \(named.log.generation)\n"
    }
    return ControlAnswer(text: text, error: nil)
  }
}
