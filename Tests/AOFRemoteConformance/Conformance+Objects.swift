import AOFCore
import AOFRemote
import AOFSystem

extension RemoteConformance {
  static let objects = [
    RemoteConformance(description: "objects round-trip") { store in
      try check(store.put("hello world", as: "a/b/c"), is: .created)
      try check(store.get("a/b/c"), is: "hello world")
      try check(store.size(of: RemoteKey("a/b/c")), is: 11)
      try check(store.read("a/b/c", at: 0, count: 11), is: "hello world")
      try check(store.read("a/b/c", at: 6, count: 5), is: "world")
      try check(store.read("a/b/c", at: 11, count: 0), is: "")
      try check(store.put("", as: "empty"), is: .created)
      try check(store.get("empty"), is: "")
      try check(store.size(of: RemoteKey("empty")), is: 0)
    },
    RemoteConformance(description: "missing objects are told from failures") { store in
      for key in ["none", "none/none"] {
        try check(store.get(key), is: nil)
        try check(store.size(of: RemoteKey(key)), is: nil)
        try check(code { _ = try store.read(key, at: 0, count: 1) }, is: .notFound)
        try check(code { _ = try store.read(key, at: 0, count: 0) }, is: .notFound)
        try store.delete(RemoteKey(key))
      }
      try store.put("x", as: "a/b")
      try check(store.get("a"), is: nil, "for a directory")
      try check(code { _ = try store.read("a", at: 0, count: 1) }, is: .notFound)
    },
    RemoteConformance(description: "short objects are errors") { store in
      try store.put("0123456789", as: "o")
      try check(code { _ = try store.read("o", at: 5, count: 6) }, is: .corrupt)
      try check(code { _ = try store.read("o", at: 10, count: 1) }, is: .corrupt)
      try check(code { _ = try store.read("o", at: 1000, count: 1) }, is: .corrupt)
      try check(code { _ = try store.read("o", at: .max, count: 1) }, is: .corrupt)
      try check(code { _ = try store.get(RemoteKey("o"), limit: 9) }, is: .tooLarge)
      try check(store.get(RemoteKey("o"), limit: 10)?.count, is: 10)
    },
    RemoteConformance(description: "errors name store and object") { store in
      do {
        _ = try store.read("chunks/7/x", at: 0, count: 1)
      } catch {
        try check("\(error)".contains("\(store)") && "\(error)".contains("chunks/7/x"), is: true, "in '\(error)'")
        return
      }
      throw NotConforming(description: "it was read")
    },
    RemoteConformance(description: "conditions are kept") { store in
      try check(store.put("1", as: "o"), is: .created)
      try check(store.put("2", as: "o"), is: .alreadyExists)
      try check(store.get("o"), is: "1")
      try check(store.put("3", as: "o", .always), is: .created)
      try check(store.get("o"), is: "3")
    },
    RemoteConformance(description: "objects can be deleted") { store in
      try store.put("1", as: "a/o")
      try store.delete(RemoteKey("a/o"))
      try check(store.get("a/o"), is: nil)
      try check(store.put("2", as: "a/o"), is: .created)
      try check(store.get("a/o"), is: "2")
    },
    RemoteConformance(description: "a race for a name has one winner") { store in
      for round in 0..<5 { try race(for: RemoteKey("race/\(round)/o"), in: store) }
    },
  ]

  private static func race(for key: RemoteKey, in store: any RemoteStore) throws {
    let winners = Lock<[UInt8]>([])
    let failures = Lock<[String]>([])
    let threads = try (UInt8(0)..<8).map { index in
      try SystemThread.start("race") {
        do {
          let bytes = [UInt8](repeating: index, count: 10_000)
          let outcome = try bytes.withUnsafeBytes { try store.put($0, as: key, .ifAbsent) }
          if outcome == .created { winners.withLock { $0.append(index) } }
          // Whatever the outcome, the object is there and whole.
          let found = try store.get(key, limit: 10_000) ?? []
          if Set(found).count != 1 || found.count != 10_000 { failures.withLock { $0.append("\(index) saw a part") } }
        } catch {
          failures.withLock { $0.append("\(error)") }
        }
      }
    }
    for thread in threads { thread.join() }
    try check(failures.withLock { $0 }, is: [])
    let winner = winners.withLock { $0 }
    try check(winner.count, is: 1)
    try check(store.get(key, limit: 10_000)?.first, is: winner.first)
  }
}
