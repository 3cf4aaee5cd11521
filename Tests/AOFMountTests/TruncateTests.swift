import CTestShims
import Glibc
import Testing

extension MountTests {
  @Suite("Truncate") struct TruncateTests {
    @Test("§truncate: the same size passes, every other is refused")
    func truncating() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10_000))
        let handle = try mount.open("log", O_RDWR | O_APPEND)
        for (size, expected) in [(10_000, "ok"), (0, "EPERM"), (5, "EPERM"), (9999, "EPERM"), (10_001, "EPERM")] {
          #expect(outcome { try handle.truncate(size) } == expected, "ftruncate to \(size)")
          #expect(outcome { try check(truncate(mount["log"], size)) } == expected, "truncate to \(size)")
          #expect(try handle.size() == 10_000)
        }
        #expect(try contents(mount["log"]) == pattern(10_000))
      }
    }
  }

  @Suite("Fallocate") struct FallocateTests {
    @Test("§fallocate §fallocate-other: no mode but one changes a log")
    func modes() throws {
      try withMount { mount in
        let bytes = pattern(10_000)
        try mount.makeLog("log", bytes)
        let handle = try mount.open("log", O_RDWR | O_APPEND)
        let punch = TEST_FALLOC_PUNCH_HOLE | TEST_FALLOC_KEEP_SIZE
        let rows: [(mode: Int32, offset: Int, expected: String)] = [
          (0, 10_000, "EOPNOTSUPP"), (TEST_FALLOC_KEEP_SIZE, 10_000, "ok"), (TEST_FALLOC_KEEP_SIZE, 0, "ok"),
          (punch, 4096, "EOPNOTSUPP"), (TEST_FALLOC_ZERO_RANGE, 0, "EOPNOTSUPP"),
          (TEST_FALLOC_COLLAPSE_RANGE, 0, "EOPNOTSUPP"), (TEST_FALLOC_INSERT_RANGE, 0, "EOPNOTSUPP"),
          (TEST_FALLOC_UNSHARE_RANGE, 0, "EOPNOTSUPP"),
        ]
        for row in rows {
          #expect(
            outcome { try handle.allocate(row.mode, at: row.offset, 4096) } == row.expected, "mode \(row.mode)")
          #expect(try handle.size() == 10_000)
        }
        #expect(try contents(mount["log"]) == bytes)
      }
    }
  }
  @Suite("Trim") struct TrimTests {
    private let punch = TEST_FALLOC_PUNCH_HOLE | TEST_FALLOC_KEEP_SIZE

    @Test("§punch-hole: from the head to a page boundary trims; nothing else does, and nothing waits")
    func punching() throws {
      try withMount { mount in
        let bytes = pattern(400_000)
        try mount.makeLog("log", bytes)
        let handle = try mount.open("log", O_RDWR | O_APPEND)
        let reader = try mount.open("log", O_RDONLY)
        #expect(outcome { try handle.allocate(punch, at: 4096, 4096) } == "EOPNOTSUPP")
        for length in [5000, 399_000, 400_000, 401_000] {
          #expect(outcome { try handle.allocate(punch, at: 0, length) } == "EINVAL", "\(length)")
          #expect(try contents(mount["log"]) == bytes, "\(length)")
        }
        #expect(outcome { try handle.allocate(punch, at: 0, 8192) } == "ok")
        #expect(try mount.watermark("head", of: "log") == 8192)
        #expect(outcome { try handle.allocate(punch, at: 8192, 290_816) } == "ok")
        #expect(try mount.watermark("head", of: "log") == 299_008)
        // Again, and below the head: nothing to do.
        #expect(outcome { try handle.allocate(punch, at: 0, 8192) } == "ok")
        #expect(outcome { try handle.allocate(punch, at: 303_104, 4096) } == "EOPNOTSUPP")
        #expect(try handle.size() == 400_000)
        #expect(try handle.read(1000, at: 299_008) == pattern(1000, from: 299_008))
        // A range that ends past the tail takes the pages that are full.
        #expect(outcome { try handle.allocate(punch, at: 0, 1 << 30) } == "ok")
        #expect(try mount.watermark("head", of: "log") == 397_312)
        #expect(try reader.read(4096, at: 397_312) == pattern(2688, from: 397_312))
        try handle.write(pattern(10, from: 400_000))
        #expect(try handle.read(10, at: 400_000) == pattern(10, from: 400_000))
      }
    }

    @Test("§trim §read-below-head: the size stays, reads below the head get ENODATA, also from a warm cache")
    func trimming() throws {
      try withMount { mount in
        let bytes = pattern(400_000)
        try mount.makeLog("log", bytes)
        // Warm.
        #expect(try contents(mount["log"]) == bytes)
        let reader = try mount.open("log", O_RDONLY)
        #expect(try reader.read(10, at: 0) == pattern(10))
        let blocks = try reader.status().st_blocks
        try mount.mustControl("trim log 300000\n")
        #expect(try mount.watermark("head", of: "log") == 299_008)
        #expect(try reader.size() == 400_000)
        #expect(try reader.status().st_blocks < blocks)
        for offset in [0, 4096, 299_007] { #expect(outcome { try reader.read(10, at: offset) } == "ENODATA") }
        #expect(try reader.read(200_000, at: 299_008) == pattern(100_992, from: 299_008))
        #expect(try reader.seek(0, Int32(SEEK_DATA)) == 299_008)
        #expect(try reader.seek(0, Int32(SEEK_HOLE)) == 0)
        #expect(try reader.seek(300_000, Int32(SEEK_HOLE)) == 400_000)
        #expect(outcome { try contents(mount["log"]) } == "ENODATA")
        try reader.close()
        try mount.remount()
        let again = try mount.open("log", O_RDONLY)
        #expect(outcome { try again.read(10, at: 0) } == "ENODATA")
        #expect(try again.read(10, at: 299_008) == pattern(10, from: 299_008))
      }
    }

    @Test("§truncate-command: the log ends there, for every reader and after a crash, and other bytes follow")
    func cutting() throws {
      try withMount { mount in
        let bytes = pattern(300_000)
        try mount.makeLog("log", bytes)
        let writer = try mount.open("log", O_RDWR | O_APPEND)
        let reader = try mount.open("log", O_RDONLY)
        #expect(try reader.read(300_000, at: 0) == bytes)
        try mount.mustControl("truncate log 200001\n")
        // Without asking for the size first: the kernel still holds the old one.
        #expect(try reader.read(10, at: 250_000) == [])
        #expect(try reader.read(200, at: 200_000) == pattern(1, from: 200_000))
        #expect(try reader.size() == 200_001)
        #expect(try mount.watermark("tail", of: "log") == 200_001)
        try writer.write(pattern(70_000, from: 7))
        let now = Array(bytes[..<200_001]) + pattern(70_000, from: 7)
        #expect(try reader.size() == 270_001)
        #expect(try reader.read(300_000, at: 0) == now)
        try mount.kill()
        try mount.start()
        #expect(try contents(mount["log"]) == now)
      }
    }

    @Test("§truncate-command: readers know the new end before the message's next command is done")
    func cuttingWithinAMessage() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(8892))
        let reader = try mount.open("log", O_RDONLY)
        #expect(try reader.read(10_000, at: 0) == pattern(8892))
        let message = "truncate log 8192\\nwait log durable=8201 timeout=100\\n"
        let asking = try Subprocess(
          ["bash", "-c", "printf '\(message)' > '\(mount[".ctl/command"])'"], outputTo: mount.folder.path)
        try waitUntil("the message waits") { (try? text(mount[".ctl/status"]).contains("wait log durable=8201")) == true }
        #expect(try reader.size() == 8192)
        let writer = try mount.appender("log")
        try writer.write(pattern(9, from: 100))
        #expect(try reader.size() == 8201)
        #expect(try reader.read(10_000, at: 0) == pattern(8192) + pattern(9, from: 100))
        try writer.sync()
        #expect(try asking.wait().status == 0)
      }
    }

    @Test("§truncate-command: programs append while the log is cut again and again")
    func cuttingUnderWriters() throws {
      try withMount { mount in
        try mount.makeLog("log", [UInt8](repeating: 0xFF, count: 5000))
        try onThreads(3) { index in
          if index == 0 {
            for _ in 0..<10 { try mount.mustControl("truncate log 5000\n") }
          } else {
            let handle = try mount.appender("log")
            for _ in 0..<200 { try handle.write([UInt8](repeating: UInt8(index), count: 500)) }
          }
        }
        let all = try contents(mount["log"])
        #expect(try status(mount["log"]).st_size == all.count)
        #expect(all.prefix(5000).allSatisfy { $0 == 0xFF })
        let rest = Array(all.dropFirst(5000))
        #expect(rest.count % 500 == 0)
        for start in stride(from: 0, to: rest.count, by: 500) {
          #expect([1, 2].contains(rest[start]) && rest[start..<(start + 500)].allSatisfy { $0 == rest[start] })
        }
      }
    }
  }
}
