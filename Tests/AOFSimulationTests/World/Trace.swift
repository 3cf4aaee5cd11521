/// What a simulation did: a hash of everything, and the last part of it in words.
struct Trace {
  enum Outcome: Equatable {
    case done
    case failed(Int32)
    /// The power was gone; of the operation itself nothing or something happened.
    case powerLost
  }

  struct Event {
    let what: String
    let path: String
    let numbers: (Int, Int)
    let outcome: Outcome
  }

  /// What came long before a failure is of little use to who reads it.
  private static let kept = 4000

  private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  private var events: [Event] = []

  mutating func add(_ what: String, _ path: String = "", _ first: Int = 0, _ second: Int = 0, _ outcome: Outcome = .done) {
    for byte in what.utf8 { mix(UInt64(byte)) }
    for byte in path.utf8 { mix(UInt64(byte)) }
    mix(UInt64(bitPattern: Int64(first)))
    mix(UInt64(bitPattern: Int64(second)))
    switch outcome {
    case .done: mix(1)
    case .failed(let errno): mix(UInt64(UInt32(bitPattern: errno)) << 8)
    case .powerLost: mix(2)
    }
    events.append(Event(what: what, path: path, numbers: (first, second), outcome: outcome))
  }

  /// A number that belongs to the event before, and is of no use to readers.
  mutating func mix(_ number: UInt64) { hash = (hash ^ number) &* 0x100_0000_01B3 }

  /// The steps, with the operations of each below it if they are wanted.
  func text(operations: Bool) -> String {
    events.filter { operations || $0.path.isEmpty }.suffix(Self.kept).map { event in
      guard !event.path.isEmpty else { return event.what }
      let outcome =
        switch event.outcome {
        case .done: ""
        case .failed(let errno): "  FAILED \(errno)"
        case .powerLost: "  POWER LOST"
        }
      return "    \(event.what) \(event.path) \(event.numbers.0) \(event.numbers.1)\(outcome)"
    }.joined(separator: "\n")
  }
}
