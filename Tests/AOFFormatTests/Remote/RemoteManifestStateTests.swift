import AOFCore
import AOFFormat
import Testing

@Suite struct RemoteManifestStateTests {
  private let attributes = RemoteNodeAttributes(
    mode: 0o640, userID: 1, groupID: 2, accessTime: UnixTime(rawValue: 3), modificationTime: UnixTime(rawValue: 4),
    changeTime: UnixTime(rawValue: 5))

  private func record(
    _ sequence: UInt64, _ kind: RemoteManifestRecord.Kind = .delta, epoch: UInt64 = 1
  ) -> RemoteManifestRecord {
    RemoteManifestRecord(
      storeID: "s", sequence: sequence, epoch: epoch, writerNonce: 7, kind: kind, time: UnixTime(rawValue: 0))
  }

  private func log(_ id: UInt64, _ path: String, head: UInt64 = 0, remote: UInt64) throws -> RemoteLogRecord {
    RemoteLogRecord(
      id: LogID(rawValue: id), path: try LogPath(path), attributes: attributes, chunkSize: .minimum,
      generation: .first, headLSN: LSN(rawValue: head), remoteLSN: LSN(rawValue: remote))
  }

  private func extent(_ log: UInt64, _ first: UInt64, _ end: UInt64, random: UInt64 = 0) -> RemoteExtentRecord {
    let chunk = ChunkSize.minimum.chunkID(for: LSN(rawValue: first))
    return RemoteExtentRecord(
      key: ObjectKey(
        log: LogID(rawValue: log), chunk: chunk, range: LSN(rawValue: first)..<LSN(rawValue: end),
        generation: .first, epoch: 1, random: random),
      objectSize: 500, objectCRC32C: 1, frameCount: 1)
  }

  /// Logs 2 and 3 below directory 4, then log 2 grows and moves, its two extents are merged, and log 3 goes.
  private func records() throws -> [RemoteManifestRecord] {
    var first = record(1)
    first.directories = [RemoteDirectoryRecord(id: NodeID(rawValue: 4), path: try LogPath("d"), attributes: attributes)]
    first.logs = [try log(2, "d/two", remote: 100), try log(3, "d/three", remote: 10)]
    first.extents = [extent(2, 0, 100), extent(3, 0, 10)]
    var second = record(2, epoch: 3)
    second.logs = [try log(2, "moved", remote: 150)]
    second.extents = [extent(2, 100, 150)]
    var third = record(3, epoch: 2)
    third.droppedObjects = [extent(2, 0, 100).key, extent(2, 100, 150).key]
    third.extents = [extent(2, 0, 150, random: 1)]
    third.removedNodes = [NodeID(rawValue: 3)]
    return [first, second, third]
  }

  @Test func deltasAreAppliedInOrder() throws {
    var state = RemoteManifestState()
    for record in try records() { try state.apply(record) }
    #expect(state.sequence == 3 && state.highestEpoch == 3)
    #expect(state.logs.keys.map(\.rawValue) == [2])
    #expect(try state.logs[LogID(rawValue: 2)]?.path == LogPath("moved"))
    #expect(state.directories.keys.map(\.rawValue) == [4])
    #expect(state.extents(of: LogID(rawValue: 2)) == [extent(2, 0, 150, random: 1)])
    #expect(state.extents(of: LogID(rawValue: 3)).isEmpty)
    #expect(state.names(extent(2, 0, 150, random: 1).key) && !state.names(extent(2, 0, 100).key))
    #expect(state.problems.isEmpty)
  }

  @Test func aSnapshotStandsForAllBeforeIt() throws {
    var state = RemoteManifestState()
    for record in try records() { try state.apply(record) }
    let snapshot = state.snapshot(storeID: "s", epoch: 9, writerNonce: 1, time: UnixTime(rawValue: 8))
    #expect(snapshot.sequence == 4)
    var fresh = RemoteManifestState()
    try fresh.apply(snapshot)
    var old = try RemoteManifestState(applying: records()[0])
    try old.apply(snapshot)
    #expect(fresh == old)
    #expect(fresh.extents(of: LogID(rawValue: 2)) == state.extents(of: LogID(rawValue: 2)))
    #expect(fresh.logs == state.logs && fresh.directories == state.directories && fresh.highestEpoch == 9)
  }

  @Test(arguments: 0...3) func aDeltaSaysWhatASnapshotDoes(_ count: Int) throws {
    let all = try records()
    var (state, whole) = (RemoteManifestState(), RemoteManifestState())
    for record in all { try whole.apply(record) }
    for record in all.prefix(count) { try state.apply(record) }
    var snapshot = whole.snapshot(storeID: "s", epoch: 9, writerNonce: 1, time: UnixTime(rawValue: 8))
    snapshot.sequence = state.sequence + 1
    let delta = state.delta(saying: snapshot)
    #expect(delta.kind == .delta && delta.droppedObjects.count == [0, 1, 2, 0][count])
    if count == 3 { #expect(delta.logs.isEmpty && delta.extents.isEmpty && delta.directories.isEmpty && delta.removedNodes.isEmpty) }
    try state.apply(delta)
    #expect(state.logs == whole.logs && state.directories == whole.directories && state.problems.isEmpty)
    for id: UInt64 in [2, 3] { #expect(state.extents(of: LogID(rawValue: id)) == whole.extents(of: LogID(rawValue: id))) }
  }

  @Test func aMissingRecordIsRefused() throws {
    let all = try records()
    var state = RemoteManifestState()
    try state.apply(all[0])
    let before = state
    #expect(throws: AofError.self) { try state.apply(all[2]) }
    #expect(throws: AofError.self) { try state.apply(all[0]) }
    #expect(state == before)
    state.applyPastGap(all[2])
    #expect(state.sequence == 3)
  }

  @Test func whatNoSoundChainSaysIsAProblem() throws {
    func problems(_ logs: [RemoteLogRecord], _ extents: [RemoteExtentRecord]) throws -> Int {
      var record = record(1)
      record.logs = logs
      record.extents = extents
      return try RemoteManifestState(applying: record).problems.count
    }
    #expect(try problems([log(2, "a", remote: 100)], [extent(2, 0, 100)]) == 0)
    #expect(try problems([log(2, "a", head: 50, remote: 100)], [extent(2, 0, 100)]) == 0)
    #expect(try problems([log(2, "a", head: 100, remote: 100)], []) == 0)
    #expect(try problems([log(2, "a", remote: 100)], [extent(2, 0, 90)]) == 1)
    #expect(try problems([log(2, "a", remote: 100)], [extent(2, 10, 100)]) == 1)
    #expect(try problems([log(2, "a", remote: 100)], [extent(2, 0, 50), extent(2, 60, 100)]) == 1)
    #expect(try problems([log(2, "a", remote: 100)], [extent(2, 0, 60), extent(2, 50, 100)]) == 1)
    #expect(try problems([], [extent(2, 0, 100)]) == 1)
    #expect(try problems([log(2, "a", remote: 131_073)], [extent(2, 0, 131_073)]) == 1)
  }
}

extension RemoteManifestState {
  fileprivate init(applying record: RemoteManifestRecord) throws(AofError) {
    self.init()
    try apply(record)
  }
}
