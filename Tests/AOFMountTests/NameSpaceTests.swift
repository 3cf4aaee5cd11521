import CTestShims
import Glibc
import Testing

extension MountTests {
  @Suite("Directory") struct DirectoryTests {
    @Test("§mkdir §readdir: directories are name spaces, and listings are complete")
    func directories() throws {
      try withMount { mount in
        try check(mkdir(mount["nginx"], 0o750))
        #expect(try status(mount["nginx"]).st_mode & 0o7777 == 0o750)
        #expect(outcome { try check(mkdir(mount["nginx"], 0o750)) } == "EEXIST")
        #expect(outcome { try check(mkdir(mount["a/b"], 0o750)) } == "ENOENT")
        try mount.makeLog("nginx/access.log", pattern(10))
        #expect(outcome { try check(rmdir(mount["nginx"])) } == "ENOTEMPTY")
        #expect(outcome { try check(rmdir(mount["nginx/access.log"])) } == "ENOTDIR")
        #expect(outcome { try mount.open("nginx", O_WRONLY) } == "EISDIR")
        try check(mkdir(mount["nginx/empty"], 0o700))
        try check(rmdir(mount["nginx/empty"]))
        #expect(outcome { try check(rmdir(mount["nginx/empty"])) } == "ENOENT")
        #expect(try names(in: mount["nginx"]) == [Array("access.log".utf8)])
        // More entries than one answer of the kernel's buffer holds, each once.
        let many = (0..<700).map { "entry-with-a-rather-long-name-\($0)" }
        for name in many { try mount.open("nginx/" + name, O_WRONLY | O_CREAT).close() }
        let listed = try names(in: mount["nginx"])
        #expect(listed.count == many.count + 1)
        #expect(Set(listed) == Set((many + ["access.log"]).map { Array($0.utf8) }))
        try mount.remount()
        #expect(Set(try names(in: mount["nginx"])) == Set(listed))
      }
    }

    @Test("§links: no links and no special files")
    func links() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10))
        #expect(outcome { try check(link(mount["log"], mount["hard"])) } == "EPERM")
        #expect(outcome { try check(symlink("log", mount["soft"])) } == "EPERM")
        #expect(outcome { try check(mkfifo(mount["fifo"], 0o600)) } == "EPERM")
        #expect(outcome { try check(mknod(mount["device"], S_IFCHR | 0o600, 0x103)) } == "EPERM")
        #expect(try names(in: mount.point) == [Array("log".utf8)])
      }
    }

  }

  @Suite("Rename") struct RenameTests {
    @Test("§rename: the log, its inode and its open handles go on under the new name")
    func renaming() throws {
      try withMount { mount in
        let handle = try mount.appender("log")
        try handle.write(pattern(100))
        let inode = try handle.status().st_ino
        try check(rename(mount["log"], mount["log.1"]))
        try handle.write(pattern(100, from: 100))
        try check(mkdir(mount["old"], 0o755))
        try check(rename(mount["log.1"], mount["old/log.2"]))
        try handle.write(pattern(100, from: 200))
        #expect(try status(mount["old/log.2"]).st_ino == inode)
        #expect(try contents(mount["old/log.2"]) == pattern(300))
        #expect(outcome { try status(mount["log"]) } == "ENOENT")
        // The old name is free for a log of its own, as logrotate's `create` wants it.
        try mount.makeLog("log", pattern(5))
        #expect(try status(mount["log"]).st_ino != inode)
        try check(rename(mount["old"], mount["older"]))
        #expect(try contents(mount["older/log.2"]) == pattern(300))
        #expect(outcome { try check(rename(mount["absent"], mount["x"])) } == "ENOENT")
        #expect(outcome { try check(rename(mount["older"], mount["older/in"])) } == "EINVAL")
        try handle.close()
        try mount.remount()
        #expect(try contents(mount["older/log.2"]) == pattern(300))
        #expect(try status(mount["older/log.2"]).st_ino == inode)
      }
    }

    @Test("§rename-flags: RENAME_NOREPLACE is kept, the others are refused")
    func flags() throws {
      try withMount { mount in
        try mount.makeLog("a", pattern(10))
        try mount.makeLog("b", pattern(20))
        func rename(_ to: String, _ flags: UInt32) -> String {
          outcome { try check(test_renameat2(mount["a"], mount[to], flags)) }
        }
        #expect(rename("b", TEST_RENAME_NOREPLACE) == "EEXIST")
        #expect(rename("b", TEST_RENAME_EXCHANGE) == "EINVAL")
        #expect(rename("c", TEST_RENAME_WHITEOUT) == "EINVAL")
        #expect(try contents(mount["a"]) == pattern(10))
        #expect(try contents(mount["b"]) == pattern(20))
        #expect(rename("c", TEST_RENAME_NOREPLACE) == "ok")
        #expect(try contents(mount["c"]) == pattern(10))
      }
    }
  }
}
