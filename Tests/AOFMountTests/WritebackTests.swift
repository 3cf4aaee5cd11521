import CTestShims
import Glibc
import Testing

extension MountTests {
  /// Rows of the section "With `-o writeback`".
  @Suite("Writeback") struct WritebackTests {
    private static let options = MountFixture.smallChunks + ["-o", "writeback"]

    private func withWriteback(_ body: (MountFixture) throws -> Void) throws { try withMount(Self.options, body) }

    /// Opens as O_APPEND, and takes the flag away.
    private func appenderWithoutFlag(_ mount: MountFixture, _ name: String) throws -> Handle {
      let handle = try mount.appender(name)
      try check(test_fcntl(handle.fd, F_SETFL, 0))
      return handle
    }

    /// The kernel drops a page after it has told of the error: a guard against a hang, not a bound on speed.
    private func eventually(_ condition: () throws -> Bool) throws -> Bool {
      for _ in 0..<6000 {
        if try condition() { return true }
        usleep(10_000)
      }
      return false
    }

    @Test("§wb-append §wb-sync: appends are read at once, and are in the log after fsync or close")
    func append() throws {
      try withWriteback { mount in
        let handle = try mount.appender("log")
        var length = 0
        for size in [1, 100, 4095, 4096, 4097, 131_072, 1_300_000, 7] {
          #expect(try handle.write(pattern(size, from: length)) == size)
          length += size
          #expect(try handle.size() == length)
          #expect(try contents(mount["log"]) == pattern(length))
        }
        try handle.sync()
        #expect(try mount.watermark("tail", of: "log") == length)
        #expect(try mount.watermark("durable", of: "log") == length)
        #expect(try handle.pwrite(pattern(3, from: length), at: 0) == 3)
        try handle.close()
        #expect(try mount.watermark("tail", of: "log") == length + 3)
        try mount.mustControl("checkpoint log")
        try mount.mustControl("evict log")
        #expect(try contents(mount["log"]) == pattern(length + 3))
        try mount.makeLog("log", pattern(50))
        try mount.remount(Self.options)
        #expect(try contents(mount["log"]) == pattern(length + 3) + pattern(50))
      }
    }

    @Test("§wb-append: appends of several writers are whole, with seals and readers between")
    func writers() throws {
      try withWriteback { mount in
        let rounds = 3000 * scale
        try onThreads(4) { writer in
          if writer == 3 {
            for _ in 0..<40 {
              try mount.mustControl("seal")
              let read = try contents(mount["log"])
              #expect(!read.contains(0))
            }
            return
          }
          let handle = try mount.appender("log")
          for round in 0..<rounds {
            try handle.write([UInt8](repeating: UInt8(65 + writer), count: 1 + round % 300) + [10])
            if round % 500 == 0 { try handle.sync() }
          }
        }
        let lines = try contents(mount["log"]).split(separator: 10, omittingEmptySubsequences: false).dropLast()
        #expect(lines.count == 3 * rounds)
        for writer in 0..<3 {
          let own = lines.filter { $0.first == UInt8(65 + writer) }
          #expect(own.allSatisfy { line in line.allSatisfy { $0 == UInt8(65 + writer) } })
          #expect(own.map(\.count) == (0..<rounds).map { 1 + $0 % 300 })
        }
      }
    }

    @Test("§wb-crash: what was synced survives a kill, and the log holds a beginning of what was written")
    func crash() throws {
      try withWriteback { mount in
        let handle = try mount.appender("log")
        try handle.write(pattern(70_000))
        try handle.sync()
        try handle.write(pattern(300_000, from: 70_000))
        try mount.kill()
        #expect(outcome { try handle.sync() } != "ok")
        try? handle.close()
        try mount.start(Self.options)
        let found = try contents(mount["log"])
        #expect(found.count >= 70_000 && found == pattern(found.count))
      }
    }

    @Test("§wb-change: no byte of the log changes, and fsync says so", arguments: ["F_SETFL", "RWF_NOAPPEND"])
    func change(way: String) throws {
      try withWriteback { mount in
        try mount.makeLog("log", pattern(10_000))
        let handle = way == "F_SETFL" ? try appenderWithoutFlag(mount, "log") : try mount.appender("log")
        func overwrite(_ offset: Int) -> String {
          let bytes: [UInt8] = [0, 0, 0]
          return outcome {
            way == "F_SETFL"
              ? try handle.pwrite(bytes, at: offset)
              : try check(test_pwritev2(handle.fd, bytes, 3, offset, TEST_RWF_NOAPPEND))
          }
        }
        for offset in [0, 5000, 9997] {
          let taken = overwrite(offset)
          #expect(taken == "ok" || taken == "EPERM" || taken == "EOPNOTSUPP")
          if taken == "ok" { #expect(outcome { try handle.sync() } == "EPERM", "\(offset)") }
          #expect(try eventually { try contents(mount["log"]) == pattern(10_000) }, "\(offset)")
        }
        // The log is none the worse for it.
        try mount.appender("log").write(pattern(5, from: 10_000))
        #expect(try mount.watermark("tail", of: "log") == 10_005)
        if overwrite(1) == "ok" { #expect(outcome { try handle.close() } == "EIO") }
        #expect(try eventually { try contents(mount["log"]) == pattern(10_005) })
        try mount.remount(Self.options)
        #expect(try contents(mount["log"]) == pattern(10_005))
      }
    }

    @Test("§wb-gap §wb-failed: bytes past the end fail at fsync; who has the log open must open it again")
    func gap() throws {
      try withWriteback { mount in
        try mount.makeLog("log", pattern(10_000))
        let other = try mount.appender("log")
        let reader = try mount.open("log", O_RDONLY)
        let handle = try appenderWithoutFlag(mount, "log")
        try handle.pwrite(pattern(100), at: 90_000)
        #expect(outcome { try handle.sync() } == "EIO")
        #expect(outcome { try handle.sync() } == "EIO")
        #expect(try mount.watermark("tail", of: "log") == 10_000)
        let again = try mount.appender("log")
        #expect(try again.size() == 10_000)
        #expect(outcome { try other.write([1]) } == "EIO")
        #expect(outcome { try reader.read(10, at: 0) } == "EIO")
        try again.write(pattern(10, from: 10_000))
        try again.close()
        #expect(try contents(mount["log"]) == pattern(10_010))
        #expect(try text(mount[".ctl/status"]).contains("open it again"))
      }
    }

    @Test("§wb-gap: a mapping of what nobody wrote fails, and holds nobody up", arguments: [O_RDWR, O_RDONLY | TEST_O_DIRECT])
    func gapInMapping(flags: Int32) throws {
      try withMount(Self.options + ["--stop-timeout", "1s"]) { mount in
        // All of it in a process of its own, whose handles no other program of the tests inherits and closes: that would write
        // what is missing. If it hangs nobody can end it but by cutting the mount off, as the daemon does at SIGTERM.
        let program = """
          import ctypes,fcntl,mmap,os,sys
          log=os.open(sys.argv[1],os.O_WRONLY|os.O_APPEND|os.O_CREAT)
          fcntl.fcntl(log,fcntl.F_SETFL,0)
          os.pwrite(log,b'a'*100,0)
          os.pwrite(log,b'b'*5,12288)
          # Of its two pages the kernel sends the second (SYNC_FILE_RANGE_WRITE).
          libc=ctypes.CDLL(None)
          assert libc.sync_file_range(log,ctypes.c_int64(12288),ctypes.c_int64(4096),ctypes.c_uint(2))==0
          mapped=mmap.mmap(os.open(sys.argv[1],int(sys.argv[2])),12293,mmap.MAP_PRIVATE,mmap.PROT_READ)
          child=os.fork()
          if child==0: os._exit(mapped[4096])
          print(os.WTERMSIG(os.waitpid(child,0)[1]))
          os.fsync(log)
          """
        let mapping = try Subprocess(["python3", "-c", program, mount["log"], "\(flags)"], outputTo: mount.folder.path)
        do { try waitUntil("the mapping is refused") { !mapping.isRunning } } catch {
          mount.process?.signal(SIGTERM)
          try mount.awaitEnd()
          throw error
        }
        let result = try mapping.wait()
        #expect(result.output == "\(SIGBUS)\n" && result.errors.contains("Input/output error"), "\(result.errors)")
        let found = try contents(mount["log"])
        #expect(found.starts(with: [UInt8](repeating: 97, count: 100)) && found.count <= 4096)
      }
    }

    @Test("§wb-direct: other handles than append-only ones write at once, behind what is gathered, and are checked at once")
    func direct() throws {
      try withWriteback { mount in
        let gathering = try mount.appender("log")
        try gathering.write(pattern(50_000))
        let both = try mount.open("log", O_RDWR | O_APPEND)
        #expect(try both.write(pattern(100, from: 50_000)) == 100)
        #expect(try mount.watermark("tail", of: "log") == 50_100)
        try gathering.write(pattern(20_000, from: 50_100))
        #expect(try both.read(200, at: 70_000) == pattern(100, from: 70_000))
        let lenient = try mount.open("log", O_WRONLY)
        try gathering.write(pattern(9_900, from: 70_100))
        #expect(outcome { try lenient.pwrite([0], at: 0) } == "EPERM")
        #expect(outcome { try lenient.pwrite([0], at: 79_999) } == "EPERM")
        #expect(outcome { try lenient.pwrite([0], at: 80_001) } == "EPERM")
        #expect(outcome { try lenient.pwrite(pattern(5, from: 80_000), at: 80_000) } == "ok")
        try gathering.write(pattern(10_000, from: 80_005))
        let synced = try mount.open("log", O_WRONLY | O_APPEND | TEST_O_DSYNC)
        try synced.write(pattern(5, from: 90_005))
        #expect(try mount.watermark("durable", of: "log") == 90_010)
        #expect(outcome { try check(mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, both.fd, 0) == MAP_FAILED ? -1 : 0) } == "ENODEV")
        try gathering.write(pattern(10, from: 90_010))
        #expect(try contents(mount["log"]) == pattern(90_020))
        try gathering.close()
        #expect(try mount.watermark("tail", of: "log") == 90_020)
      }
    }

    @Test("§wb-truncate: a log that somebody writes cannot be truncated, however empty it looks")
    func truncate() throws {
      try withWriteback { mount in
        let handle = try mount.open("log", O_WRONLY | O_APPEND | O_CREAT | O_TRUNC)
        try handle.write(pattern(100))
        #expect(outcome { try mount.open("log", O_WRONLY | O_TRUNC) } == "EPERM")
        #expect(outcome { try handle.truncate(50) } == "EPERM")
        #expect(outcome { try handle.truncate(100) } == "EPERM")
        try handle.sync()
        #expect(outcome { try handle.truncate(100) } == "ok")
        #expect(outcome { try handle.truncate(101) } == "EPERM")
        #expect(try contents(mount["log"]) == pattern(100))
        try handle.close()
        #expect(outcome { try mount.open("log", O_WRONLY | O_TRUNC) } == "EPERM")
        try mount.makeLog("empty", [])
        #expect(outcome { try mount.open("empty", O_WRONLY | O_TRUNC) } == "ok")
      }
    }

    @Test("§wb-unknown: what the kernel answers itself, or does not ask for")
    func unknown() throws {
      try withWriteback { mount in
        let handle = try mount.appender("log")
        try handle.write(pattern(9000))
        let reader = try mount.open("log", O_RDONLY)
        #expect(try reader.seek(0, TEST_SEEK_HOLE) == 9000)
        #expect(try reader.seek(10, TEST_SEEK_DATA) == 10)
        var value = [UInt8](repeating: 0, count: 100)
        #expect(outcome { try check(test_getxattr(mount["log"], "user.aof.id", &value, 100)) } == "EOPNOTSUPP")
        #expect(try status(mount["log"]).st_size == 9000)
      }
    }

    @Test("§wb-trim: a log is trimmed in whole pages, and goes on from there")
    func trim() throws {
      try withWriteback { mount in
        let handle = try mount.appender("log")
        try handle.write(pattern(10_000))
        try handle.allocate(TEST_FALLOC_PUNCH_HOLE | TEST_FALLOC_KEEP_SIZE, at: 0, 1 << 20)
        #expect(try mount.watermark("head", of: "log") == 8192)
        try handle.write(pattern(5000, from: 10_000))
        try handle.sync()
        #expect(try mount.open("log", O_RDONLY).read(10_000, at: 8192) == pattern(6808, from: 8192))
      }
    }

    @Test("§wb-cut: a log that the truncate command has cut must be opened again")
    func cut() throws {
      try withWriteback { mount in
        let handle = try mount.appender("log")
        try handle.write(pattern(9000))
        try handle.sync()
        try handle.write(pattern(1000, from: 9000))
        try mount.mustControl("truncate log 5000\n")
        let again = try mount.appender("log")
        #expect(outcome { try handle.write([1]) } == "EIO")
        #expect(try again.size() == 5000)
        try again.write(pattern(10, from: 5000))
        try again.close()
        #expect(outcome { try handle.sync() } == "EIO")
        #expect(try contents(mount["log"]) == pattern(5010))
      }
    }
  }
}
