import CTestShims
import Glibc
import Testing

extension MountTests {
  @Suite("Attributes") struct AttributeTests {
    @Test("§stat: size is the tail, mtime moves with appends, the inode number stays")
    func stat() throws {
      try withMount { mount in
        let handle = try mount.appender("log")
        let first = try handle.status()
        #expect(first.st_mode & S_IFMT == S_IFREG)
        #expect(first.st_size == 0)
        try handle.write(pattern(1 << 20))
        let second = try handle.status()
        #expect(second.st_size == 1 << 20)
        #expect(second.st_ino == first.st_ino)
        #expect(isLater(second.st_mtim, than: first.st_mtim))
        // By path as by handle, and not one inode for two logs.
        #expect(try status(mount["log"]).st_ino == first.st_ino)
        try mount.makeLog("other", [1])
        #expect(try status(mount["other"]).st_ino != first.st_ino)
        #expect(second.st_nlink == 1)
      }
    }

    @Test("blocks are what lies on the local disk")
    func blocks() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(4 << 20))
        try mount.mustControl("checkpoint log")
        let blocks = try status(mount["log"]).st_blocks * 512
        #expect(blocks >= 4 << 20 && blocks < 9 << 20, "\(blocks) bytes for a log of 4 MiB")
      }
    }

    @Test("§chmod: mode, owner and times are kept, over a remount too")
    func change() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10))
        try check(mkdir(mount["d"], 0o755))
        for name in ["log", "d"] {
          try check(chmod(mount[name], 0o610))
          if geteuid() == 0 { try check(chown(mount[name], 123, 456)) }
          let times = [timespec(tv_sec: 1_000_000, tv_nsec: 123_456_789), timespec(tv_sec: 2_000_000, tv_nsec: 1)]
          try check(utimensat(AT_FDCWD, mount[name], times, 0))
        }
        func expectKept() throws {
          for name in ["log", "d"] {
            let kept = try status(mount[name])
            #expect(kept.st_mode & 0o7777 == 0o610, "\(name)")
            if geteuid() == 0 { #expect(kept.st_uid == 123 && kept.st_gid == 456, "\(name)") }
            #expect(kept.st_mtim.tv_sec == 2_000_000 && kept.st_mtim.tv_nsec == 1, "\(name)")
          }
        }
        try expectKept()
        try mount.remount()
        try expectKept()
        #expect(try contents(mount["log"]) == pattern(10))
      }
    }

    @Test("§permissions: a stranger opens what the mode allows", .enabled(if: geteuid() == 0, "needs root"))
    func permissions() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10))
        let directory = try Handle(mount.point, O_RDONLY | O_DIRECTORY)
        func asStranger(_ flags: Int32, _ name: String = "log") -> String {
          outcome { try check(close(Int32(try check(test_openat_as(65_534, directory.fd, name, flags))))) }
        }
        try check(chmod(mount["log"], 0o600))
        #expect(asStranger(O_RDONLY) == "EACCES")
        #expect(asStranger(O_WRONLY | O_APPEND) == "EACCES")
        try check(chmod(mount["log"], 0o644))
        #expect(asStranger(O_RDONLY) == "ok")
        #expect(asStranger(O_WRONLY | O_APPEND) == "EACCES")
        #expect(asStranger(O_WRONLY | O_CREAT, "new") == "EACCES")
        #expect(asStranger(O_RDONLY, ".ctl/status") == "EACCES")
        #expect(asStranger(O_WRONLY, ".ctl/command") == "EACCES")
      }
    }

    @Test("§setid: no log becomes setuid or setgid")
    func setID() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10))
        for bits: mode_t in [0o4755, 0o2755, 0o6755] {
          let result = outcome { try check(chmod(mount["log"], bits)) }
          #expect(["ok", "EPERM"].contains(result))
          #expect(try status(mount["log"]).st_mode & 0o6000 == 0)
        }
        let capability: [UInt8] = [1, 0, 0, 2] + Array(repeating: 0xff, count: 16)
        #expect(
          outcome { try check(test_setxattr(mount["log"], "security.capability", capability, 20)) } != "ok")
      }
    }

    @Test("§flags: lsattr shows a")
    func flags() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10))
        let handle = try mount.open("log", O_RDONLY)
        var flags: Int32 = 0
        #expect(outcome { try check(test_inode_flags(handle.fd, &flags)) } == "ok")
        #expect(flags & TEST_FS_APPEND_FL != 0)
      }
    }

    @Test("§statfs: the store's disk, and names of 255 bytes")
    func statfs() throws {
      try withMount { mount in
        var type: Int64 = 0
        var length: Int64 = 0
        var blocks: Int64 = 0
        try check(test_statfs(mount.point, &type, &length, &blocks))
        #expect(type == 0x6573_5546, "not FUSE: is it mounted?")
        #expect(length == 255)
        #expect(blocks > 0)
      }
    }

    @Test("§locks: flock and record locks hold between handles")
    func locks() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10))
        let first = try mount.open("log", O_RDWR | O_APPEND)
        let second = try mount.open("log", O_RDWR | O_APPEND)
        try check(flock(first.fd, LOCK_EX | LOCK_NB))
        #expect(outcome { try check(flock(second.fd, LOCK_EX | LOCK_NB)) } == "EAGAIN")
        try check(flock(first.fd, LOCK_UN))
        #expect(outcome { try check(flock(second.fd, LOCK_EX | LOCK_NB)) } == "ok")
        #expect(outcome { try check(test_record_lock(first.fd, F_WRLCK)) } == "ok")
        // Record locks are a process's: another one must be refused.
        let probe = """
          import fcntl,sys
          f=open(sys.argv[1],'ab')
          try: fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB)
          except OSError: sys.exit(7)
          """
        #expect(try run(["python3", "-c", probe, mount["log"]]).status == 7)
      }
    }

    private func isLater(_ a: timespec, than b: timespec) -> Bool {
      (a.tv_sec, a.tv_nsec) > (b.tv_sec, b.tv_nsec)
    }
  }

  @Suite("Xattr") struct XattrTests {
    private func value(_ name: String, of path: String) throws -> String {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = try check(test_getxattr(path, name, &buffer, buffer.count))
      return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    @Test("§xattr: user.aof.* tells what the log is, and takes no writes")
    func attributes() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(300_000))
        try mount.mustControl("seal log")
        let path = mount["log"]
        #expect(try value("user.aof.chunk_size", of: path) == "131072")
        #expect(try value("user.aof.id", of: path) == "\(try status(path).st_ino)")
        for name in ["head", "remote", "sealed", "durable", "tail"] {
          let number = Int(try value("user.aof.\(name)_lsn", of: path))
          #expect(try number == mount.watermark(name, of: "log"), "\(name)")
        }
        #expect(try value("user.aof.sealed_lsn", of: path) == "300000")
        #expect(!(try value("user.aof.residency", of: path)).isEmpty)
        #expect(outcome { try value("user.aof.nothing", of: path) } == "ENODATA")
        #expect(outcome { try value("user.other", of: path) } == "ENODATA")
        #expect(outcome { try check(test_setxattr(path, "user.aof.tail_lsn", [49], 1)) } == "EPERM")
        #expect(outcome { try check(test_removexattr(path, "user.aof.tail_lsn")) } == "EPERM")
        #expect(["EPERM", "EOPNOTSUPP"].contains(outcome { try check(test_setxattr(path, "user.x", [49], 1)) }))
      }
    }
  }
}
