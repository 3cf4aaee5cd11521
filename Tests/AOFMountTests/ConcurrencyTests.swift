import CTestShims
import Glibc
import Synchronization
import Testing

extension MountTests {
  @Suite("Concurrency") struct ConcurrencyTests {
    /// A record: writer, number, length and as many bytes of that writer, ended by a line feed.
    private static func record(writer: Int, number: Int) -> [UInt8] {
      let length = 1 + (writer * 7919 + number * 104_729) % 9000
      let body = Array(repeating: UInt8(ascii: "a") + UInt8(writer), count: length)
      return Array("\(writer) \(number) \(length) ".utf8) + body + [UInt8(ascii: "\n")]
    }

    @Test("§write-atomic: records of many writers stay whole, each writer's in order")
    func writers() throws {
      let (writers, records) = (12, 150 * scale)
      try withMount { mount in
        try onThreads(writers) { writer in
          let handle = try mount.appender("log")
          for number in 0..<records {
            let record = Self.record(writer: writer, number: number)
            guard try handle.write(record) == record.count else { throw Hang(description: "a short write") }
          }
        }
        var next = Array(repeating: 0, count: writers)
        for line in try contents(mount["log"]).split(separator: UInt8(ascii: "\n")) {
          let writer = Int(String(decoding: line.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)) ?? -1
          guard next.indices.contains(writer) else {
            Issue.record("a line of nobody: \(String(decoding: line.prefix(60), as: UTF8.self))")
            return
          }
          guard Array(line) == Self.record(writer: writer, number: next[writer]).dropLast() else {
            Issue.record("writer \(writer): record \(next[writer]) is torn, missing or out of order")
            return
          }
          next[writer] += 1
        }
        #expect(next == Array(repeating: records, count: writers))
      }
    }

    @Test("many logs at once, each by its own writer, each whole")
    func manyLogs() throws {
      try withMount { mount in
        try onThreads(8) { index in
          let handle = try mount.appender("log-\(index)")
          for round in 0..<60 {
            try handle.write(pattern(3000, from: index + round * 3000))
            if round % 20 == 19 { try handle.sync() }
          }
        }
        for index in 0..<8 { #expect(try contents(mount["log-\(index)"]) == pattern(180_000, from: index)) }
      }
    }

    @Test("§write-visible: a warm reader and a mapping see each append at once, and never NULs")
    func visibility() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(100))
        let writer = try mount.appender("log")
        let reader = try mount.open("log", O_RDONLY)
        let limit = 256 << 10
        let mapped = mmap(nil, limit, PROT_READ, MAP_SHARED, reader.fd, 0)
        guard let mapped, mapped != MAP_FAILED else { throw SystemError(errno: errno) }
        defer { munmap(mapped, limit) }
        let view = UnsafeRawBufferPointer(start: mapped, count: limit)
        var length = 100
        for size in [1, 50, 4000, 4096, 1, 30_000, 17, 4095, 70_000, 3] {
          // Warm the page of the tail, in the cache and in the mapping, then append to it.
          #expect(try reader.read(limit, at: 0).count == length)
          #expect(view[length - 1] == pattern(1, from: length - 1)[0])
          try writer.write(pattern(size, from: length))
          let old = length
          length += size
          #expect(try reader.read(limit, at: 0) == pattern(length), "after \(size) bytes more")
          #expect(Array(view[max(0, old - 10)..<length]) == pattern(length - max(0, old - 10), from: max(0, old - 10)))
          #expect(try reader.size() == length)
        }
      }
    }

    @Test(
      "§write-visible: mappings of handles whose reads go past the page cache fill it, and no reader sees NULs",
      arguments: [O_RDWR, O_RDONLY | TEST_O_DIRECT])
    func otherMappings(flags: Int32) throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(100))
        let appends = 12_000 * scale
        let length = Atomic<Int>(100)
        let isDone = Atomic<Bool>(false)
        try onThreads(3) { index in
          switch index {
          case 0:
            defer { isDone.store(true, ordering: .relaxed) }
            let writer = try mount.appender("log")
            for _ in 0..<appends {
              let start = length.load(ordering: .relaxed)
              try writer.write(pattern(57, from: start))
              length.store(start + 57, ordering: .relaxed)
            }
          case 1:
            let handle = try mount.open("log", flags)
            while !isDone.load(ordering: .relaxed) {
              let last = length.load(ordering: .relaxed) - 1
              let mapped = mmap(nil, 4096, PROT_READ, MAP_PRIVATE, handle.fd, last / 4096 * 4096)
              guard let mapped, mapped != MAP_FAILED else { throw SystemError(errno: errno) }
              #expect(mapped.load(fromByteOffset: last % 4096, as: UInt8.self) == pattern(1, from: last)[0])
              munmap(mapped, 4096)
            }
          default:
            let reader = try mount.open("log", O_RDONLY)
            while !isDone.load(ordering: .relaxed) {
              let start = length.load(ordering: .relaxed) - 60
              let bytes = try reader.read(4096, at: start)
              guard bytes == pattern(bytes.count, from: start) else {
                Issue.record("wrong from \(start + (bytes.firstIndex(of: 0) ?? -1)) on, of \(bytes.count) bytes at \(start)")
                return
              }
            }
          }
        }
      }
    }

    @Test("§write-visible: another process reads what was just written")
    func acrossProcesses() throws {
      try withMount { mount in
        let reader = """
          import os,sys
          # For each line "LENGTH" on the log's twin, the log holds at least that many bytes, none of them NUL.
          path,rounds=sys.argv[1],int(sys.argv[2])
          log=os.open(path,os.O_RDONLY); last=0
          while last<rounds*100:
            data=os.pread(log,1<<20,0); size=os.fstat(log).st_size
            if b'\\0' in data: sys.exit('NUL at %d of %d'%(data.index(b'\\0'),len(data)))
            if len(data)<last: sys.exit('shrank from %d to %d'%(last,len(data)))
            if size<len(data): sys.exit('st_size %d after reading %d'%(size,len(data)))
            last=len(data)
          """
        let rounds = 400
        let handle = try mount.appender("log")
        let readers = try (0..<2).map { _ in
          try Subprocess(["python3", "-c", reader, mount["log"], "\(rounds)"], outputTo: mount.folder.path)
        }
        for round in 0..<rounds { try handle.write(pattern(100, from: round * 100)) }
        for reader in readers {
          let result = try reader.wait()
          #expect(result.status == 0, "\(result.errors)")
        }
      }
    }

    @Test("readers and appenders of one log do not hold each other up for good")
    func mixed() throws {
      try withMount { mount in
        let total = 2 << 20
        try onThreads(5) { index in
          if index == 0 {
            let handle = try mount.appender("log")
            for offset in stride(from: 0, to: total, by: 4096) {
              try handle.write(pattern(4096, from: offset))
              if offset % (256 << 10) == 0 { try handle.sync() }
            }
          } else {
            let handle = try mount.open("log", O_RDONLY | O_CREAT)
            var position = 0
            while position < total {
              let part = try handle.read(50_000, at: position)
              guard part == pattern(part.count, from: position) else {
                throw Hang(description: "wrong bytes at \(position)")
              }
              position += part.count
            }
          }
        }
      }
    }
  }

  @Suite("TailFollow") struct TailFollowTests {
    @Test("§follow: tail -f and aofs cat --follow receive lines while they are appended",
      arguments: [["tail", "-n", "+1", "-f"], ["tail", "-n", "+1", "-F"], [aofs, "cat", "--follow"]])
    func follow(command: [String]) throws {
      try withMount { mount in
        try mount.makeLog("log", Array("line 0\n".utf8))
        let follower = try Subprocess(command + [mount["log"]], outputTo: mount.folder.path)
        defer {
          follower.signal(SIGTERM)
          _ = try? follower.wait()
        }
        var expected = "line 0\n"
        let handle = try mount.appender("log")
        for number in 1...3 {
          try waitUntil("\(command) printed \(expected.count) bytes") { follower.output == expected }
          try handle.write("line \(number)\n")
          expected += "line \(number)\n"
        }
        try waitUntil("\(command) printed all") { follower.output == expected }
        #expect(follower.errors == "", "tail must not call the log truncated or replaced")
      }
    }
  }
}
