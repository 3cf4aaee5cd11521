import AOFCore
import AOFFormat

extension RemoteManifestStore {
  /// What the whole chain comes to. Reads the records from the newest snapshot on, so that its length does not matter.
  /// `knownSnapshot`: the sequence of a snapshot, 0 for none: what lies before it is not even listed.
  /// - Throws: `corrupt` if a record that counts is damaged or missing; `newerVersion`; `remoteFailure`.
  package func state(knownSnapshot: UInt64 = 0) throws(AofError) -> RemoteManifestState {
    var records: [RemoteManifestRecord] = []
    for sequence in try allSequences(from: knownSnapshot).reversed() {
      let record = try existing(sequence)
      records.append(record)
      if record.kind == .snapshot { break }
    }
    var state = RemoteManifestState()
    for record in records.reversed() { try state.apply(record) }
    return state
  }

  /// What a check of the whole chain found.
  package struct Survey: Sendable {
    package var state = RemoteManifestState()
    package var recordsRead = 0
    /// One line for each record that is damaged, missing or out of order.
    package var problems: [String] = []
  }

  /// Reads every record, also those before the newest snapshot, and goes on past what is damaged.
  /// - Throws: `newerVersion`; `remoteFailure`.
  package func survey() throws(AofError) -> Survey {
    var survey = Survey()
    var expected: UInt64?
    for sequence in try allSequences(from: 1) {
      if let expected, sequence != expected { survey.problems.append(Self.missing(expected..<sequence)) }
      do throws(AofError) {
        let record = try existing(sequence)
        survey.recordsRead += 1
        // What lies before a snapshot may be gone.
        if expected == nil, sequence > 1, record.kind == .delta { survey.problems.append(Self.missing(1..<sequence)) }
        if record.epoch < survey.state.highestEpoch {
          survey.problems.append("\(record) comes after epoch \(survey.state.highestEpoch)")
        }
        survey.state.applyPastGap(record)
      } catch where error.code == .corrupt || error.code == .notAStore {
        survey.problems.append(error.description)
      }
      expected = sequence + 1
    }
    survey.problems += survey.state.problems
    return survey
  }

  private static func missing(_ sequences: Range<UInt64>) -> String {
    "of the manifest's chain, the records \(sequences) are missing"
  }

  /// Every sequence of the chain from `first` on, rising.
  private func allSequences(from first: UInt64) throws(AofError) -> [UInt64] {
    var all: [UInt64] = []
    while true {
      let page = try sequences(after: all.last ?? max(first, 1) - 1, limit: Self.pageSize)
      all += page
      if page.count < Self.pageSize { return all }
    }
  }

  private static let pageSize = 1000

  private func existing(_ sequence: UInt64) throws(AofError) -> RemoteManifestRecord {
    guard let record = try read(sequence) else {
      throw AofError(.remoteFailure, "manifest record \(sequence) is listed and cannot be found")
    }
    return record
  }
}
