import CTestShims
import Glibc
import Testing

extension MountTests {
  @Suite("Write") struct WriteTests {
    @Test("§write-append §write-pwrite: an O_APPEND handle appends, whatever the offset")
    func append() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(1000))
        let handle = try mount.open("log", O_RDWR | O_APPEND)
        #expect(try handle.write(pattern(24, from: 1000)) == 24)
        #expect(try handle.pwrite(pattern(16, from: 1024), at: 0) == 16)
        _ = try handle.seek(10, SEEK_SET)
        #expect(try handle.write(pattern(4, from: 1040)) == 4)
        let forced = pattern(4, from: 1044)
        let result = outcome { try check(test_pwritev2(handle.fd, forced, 4, 0, TEST_RWF_NOAPPEND)) }
        #expect(["ok", "EPERM", "EOPNOTSUPP"].contains(result))
        #expect(try contents(mount["log"]) == pattern(result == "ok" ? 1048 : 1044))
      }
    }

    @Test("§write-elsewhere: a cleared O_APPEND lets no byte be overwritten")
    func clearedFlag() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(1000))
        let handle = try mount.open("log", O_RDWR | O_APPEND)
        let cleared = outcome { try check(test_fcntl(handle.fd, F_SETFL, 0)) }
        if cleared == "ok" {
          #expect(outcome { try handle.pwrite([0], at: 0) } == "EPERM")
          #expect(outcome { try handle.pwrite([0], at: 999) } == "EPERM")
          #expect(outcome { try handle.pwrite([0], at: 1001) } == "EPERM")
          #expect(outcome { try handle.pwrite(pattern(1, from: 1000), at: 1000) } == "ok")
          #expect(try contents(mount["log"]) == pattern(1001))
        } else {
          #expect(cleared == "EPERM")
          #expect(try contents(mount["log"]) == pattern(1000))
        }
      }
    }

    @Test("§write-large: one write of many MiB lands whole and in order", arguments: [1 << 20, (5 << 20) + 12_345])
    func large(size: Int) throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(777))
        let handle = try mount.appender("log")
        #expect(try handle.write(pattern(size, from: 777)) == size)
        #expect(try contents(mount["log"]) == pattern(777 + size))
      }
    }

    @Test("writes of every small size across chunk edges keep their places")
    func edges() throws {
      try withMount { mount in
        let chunk = 128 << 10
        let handle = try mount.appender("log")
        var length = 0
        // To just below the first edge, over it, up to the second exactly, then on.
        for size in [chunk - 1, 1, 1, chunk - 2, 2, 3, chunk - 3, 2 * chunk + 5, 1, 4095, 4096, 4097] {
          #expect(try handle.write(pattern(size, from: length)) == size)
          length += size
          #expect(try handle.size() == length)
        }
        #expect(try contents(mount["log"]) == pattern(length))
        #expect(try handle.write([]) == 0)
        #expect(try handle.size() == length)
      }
    }

    @Test("§copy-range: what copies into a log appends, or fails so that tools fall back")
    func copies() throws {
      try withMount { mount in
        let source = mount.folder.path + "/source"
        let plain = try Handle(source, O_WRONLY | O_CREAT)
        try plain.write(pattern(50))
        let from = try Handle(source, O_RDONLY)
        let log = try mount.appender("log")
        let copied = outcome { try check(test_copy_file_range(from.fd, log.fd, 50)) }
        #expect(["EBADF", "EXDEV", "EOPNOTSUPP"].contains(copied))
        #expect(try log.size() == 0)
        #expect(try run(["cp", source, mount["copy"]]).status == 0)
        #expect(try contents(mount["copy"]) == pattern(50))
        // Onto existing data: refused, and nothing is lost.
        #expect(try run(["cp", source, mount["copy"]]).status != 0)
        #expect(try contents(mount["copy"]) == pattern(50))
      }
    }
  }

  @Suite("Sync") struct SyncTests {
    @Test(
      "§sync: every way to sync makes the tail durable",
      arguments: ["fsync", "fdatasync", "O_SYNC", "O_DSYNC"])
    func sync(way: String) throws {
      try withMount { mount in
        let flags: Int32 = way == "O_SYNC" ? TEST_O_SYNC : way == "O_DSYNC" ? TEST_O_DSYNC : 0
        let handle = try mount.open("log", O_WRONLY | O_APPEND | O_CREAT | flags)
        for round in 1...20 {
          try handle.write(pattern(1000, from: (round - 1) * 1000))
          if way == "fsync" { try handle.sync() }
          if way == "fdatasync" { try check(fdatasync(handle.fd)) }
          #expect(try mount.watermark("durable", of: "log") == round * 1000)
          #expect(try mount.watermark("tail", of: "log") == round * 1000)
        }
      }
    }

    @Test("a directory can be synced, as rsyslog does")
    func directory() throws {
      try withMount { mount in
        try check(mkdir(mount["d"], 0o755))
        for path in [mount.point, mount["d"]] {
          let handle = try Handle(path, O_RDONLY | O_DIRECTORY)
          #expect(outcome { try handle.sync() } == "ok")
        }
      }
    }

    @Test("§close: closing reports nothing where nothing failed, and never seals")
    func close() throws {
      try withMount { mount in
        let handle = try mount.appender("log")
        try handle.write(pattern(300_000))
        #expect(outcome { try handle.close() } == "ok")
        for _ in 0..<5 { #expect(outcome { try mount.appender("log").close() } == "ok") }
        let extents = try text(mount[".ctl/logs/log/sealed_lsn"])
        // Full chunks may seal of themselves; the rest of the log must not.
        #expect((Int(extents.split(separator: "\n").first ?? "") ?? -1) <= 262_144)
      }
    }
  }
}
