import AOFCore
import AOFRemote

extension RemoteConformance {
  static let uploads = [
    RemoteConformance(description: "uploads are invisible until the commit") { store in
      let upload = try store.beginUpload(RemoteKey("big/o"))
      for index in 0..<100 { try upload.write([UInt8](repeating: UInt8(index), count: 1000)) }
      try check(store.get("big/o"), is: nil)
      try check(store.keys(), is: [])
      try check(upload.commit(.always), is: .created)
      try check(store.get(RemoteKey("big/o"), limit: 1 << 20), is: (0..<100_000).map { UInt8($0 / 1000) })
      // It is over.
      upload.abandon()
      try check(store.size(of: RemoteKey("big/o")), is: 100_000)
      try check(code { _ = try upload.commit(.always) }, is: .invalidArgument)
      try check(code { try upload.write([0]) }, is: .invalidArgument)
    },
    RemoteConformance(description: "large uploads come back byte for byte") { store in
      let size = (20 << 20) + 4321
      let upload = try store.beginUpload(RemoteKey("large"))
      let pieces = [1, 131_072, 131_071, 1 << 20, (6 << 20) + 1]
      var written = 0
      for index in 0... where written < size {
        let piece = (written..<min(size, written + pieces[index % pieces.count])).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try upload.write(piece)
        written += piece.count
        if written == size { break }
      }
      try check(upload.commit(.always), is: .created)
      try check(store.size(of: RemoteKey("large")), is: UInt64(size))
      var found = [UInt8](repeating: 0, count: size)
      try found.withUnsafeMutableBytes { try store.read(RemoteKey("large"), at: 0, into: $0) }
      let wrong = found.indices.first { found[$0] != UInt8(truncatingIfNeeded: $0 / 7) }
      try check(wrong, is: nil, "as the first wrong byte")
    },
    RemoteConformance(description: "uploads without bytes are objects") { store in
      try check(store.beginUpload(RemoteKey("nothing")).commit(.always), is: .created)
      try check(store.size(of: RemoteKey("nothing")), is: 0)
    },
    RemoteConformance(description: "small uploads may be conditional") { store in
      for (index, outcome) in [RemoteOutcome.created, .alreadyExists].enumerated() {
        let upload = try store.beginUpload(RemoteKey("o"))
        try upload.write([UInt8(index)])
        try check(upload.commit(.ifAbsent), is: outcome)
      }
      try check(store.get(RemoteKey("o"), limit: 1), is: [0])
    },
    RemoteConformance(description: "abandoned uploads leave nothing") { store in
      do {
        let first = try store.beginUpload(RemoteKey("o"))
        try first.write([1, 2, 3])
        first.abandon()
        // The second is let go.
        try store.beginUpload(RemoteKey("o")).write([1, 2, 3])
      }
      try check(store.keys(), is: [])
      try check(store.get("o"), is: nil)
    },
  ]

  static let listings = [
    RemoteConformance(description: "listings are paged in the order of keys") { store in
      let keys = ["a-b/c", "a.b", "a/b-c", "a/b.d/e", "a/b/x", "a/z/1", "a/z/2", "b", "B", "0/1", "a0"]
      for key in keys { try check(store.put(key, as: key), is: .created) }
      let sorted = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      try check(store.keys(), is: sorted)
      for limit in 1...keys.count {
        var found: [String] = []
        while true {
          let page = try store.list(nil, after: found.last.map { try RemoteKey($0) }, limit: limit)
          found += page.map(\.key.text)
          try check(page.allSatisfy { $0.size == UInt64($0.key.text.utf8.count) }, is: true, "as sizes")
          guard page.count == limit else { break }
        }
        try check(found, is: sorted, "with limit \(limit)")
      }
    },
    RemoteConformance(description: "listings stay in their directory") { store in
      for key in ["a/1", "a/2/3", "ab/4", "a-/5"] { try store.put("", as: key) }
      try check(store.keys("a"), is: ["a/1", "a/2/3"])
      try check(store.keys("a", after: "a/1"), is: ["a/2/3"])
      try check(store.keys("none"), is: [])
      try check(store.keys("a", limit: 0), is: [])
    },
    RemoteConformance(description: "long listings are whole") { store in
      let keys = (0..<1100).map { "many/" + String(100_000 + $0) }
      for key in keys { try store.put("", as: key, .always) }
      try check(store.keys("many", limit: 2000), is: keys)
      try check(store.keys("many", after: keys[1050], limit: 1000), is: Array(keys[1051...]))
    },
  ]
}
