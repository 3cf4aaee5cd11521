import CTestShims
import Foundation
import Glibc
import Testing

extension MountTests {
  @Suite("Trash") struct TrashTests {
    /// The ids in the trash, in the order in which the logs were deleted.
    private func trash(_ mount: MountFixture) throws -> [UInt64] {
      struct Log: Decodable { let id: UInt64 }
      let (result, answer) = try mount.control("trash format=json")
      #expect(result == "ok", "\(answer)")
      return try JSONDecoder().decode([Log].self, from: Data(answer.utf8)).map(\.id)
    }

    @Test("§unlink §trash: a log goes to the trash, its open handles go on, and it comes back")
    func unlinking() throws {
      try withMount { mount in
        try check(mkdir(mount["d"], 0o755))
        try mount.makeLog("d/log", pattern(300_000))
        let inode = try status(mount["d/log"]).st_ino
        let (writer, reader) = (try mount.appender("d/log"), try mount.open("d/log", O_RDONLY))
        try check(unlink(mount["d/log"]))
        #expect(outcome { try status(mount["d/log"]) } == "ENOENT")
        #expect(outcome { try check(unlink(mount["d/log"])) } == "ENOENT")
        #expect(outcome { try check(unlink(mount["d"])) } == "EISDIR")
        // The handles neither notice nor keep the directory.
        #expect(outcome { try check(rmdir(mount["d"])) } == "ok")
        try writer.write(pattern(1000, from: 300_000))
        try writer.sync()
        #expect(try reader.read(1 << 19, at: 0) == pattern(301_000))
        let facts = try writer.status()
        #expect(facts.st_ino == inode && facts.st_nlink == 0 && facts.st_size == 301_000)
        #expect(try mount.control("purge all=yes\n").outcome == "EBUSY")
        try mount.mustControl("checkpoint")
        try mount.mustControl("verify remote=yes")
        // Another log of that name, deleted as well.
        try mount.makeLog("log", pattern(10))
        try check(unlink(mount["log"]))
        #expect(try trash(mount).count == 2 && trash(mount).first == UInt64(inode))
        try writer.close()
        try reader.close()
        try mount.remount()
        #expect(try names(in: mount.point).isEmpty)
        try mount.mustControl("restore d/log\n")
        #expect(try contents(mount["d/log"]) == pattern(301_000))
        #expect(try status(mount["d/log"]).st_ino == inode && status(mount["d/log"]).st_nlink == 1)
        try mount.makeLog("d/log", pattern(5, from: 301_000))
        #expect(try contents(mount["d/log"]) == pattern(301_005))
      }
    }

    @Test("§rename-over §trash: a log that is replaced goes to the trash, and its name is never missing")
    func over() throws {
      try withMount { mount in
        try mount.makeLog("a", pattern(10))
        try mount.makeLog("b", pattern(20))
        let (a, b) = (try status(mount["a"]).st_ino, try status(mount["b"]).st_ino)
        let handle = try mount.appender("b")
        try check(rename(mount["a"], mount["b"]))
        #expect(try names(in: mount.point) == [Array("b".utf8)])
        #expect(try status(mount["b"]).st_ino == a && contents(mount["b"]) == pattern(10))
        try handle.write(pattern(5, from: 20))
        #expect(try trash(mount) == [UInt64(b)])
        #expect(outcome { try check(mkdir(mount["d"], 0o755)) } == "ok")
        #expect(outcome { try check(rename(mount["b"], mount["d"])) } == "EISDIR")
        #expect(outcome { try check(rename(mount["d"], mount["b"])) } == "ENOTDIR")
        let (result, answer) = try mount.control("restore b\n")
        #expect(result == "EEXIST" && answer.contains("another path"), "\(answer)")
        try mount.mustControl("restore b \"d/old b\"\n")
        #expect(try contents(mount["d/old b"]) == pattern(25))
        // Somebody looks for the name all the time that others are renamed over it.
        try check(rename(mount["b"], mount["name"]))
        let isDone = DispatchSemaphore(value: 0)
        try onThreads(2) { index in
          if index == 0 {
            defer { isDone.signal() }
            for round in 0..<100 {
              try mount.makeLog("next", pattern(round + 1))
              try check(rename(mount["next"], mount["name"]))
            }
          } else {
            while isDone.wait(timeout: .now()) == .timedOut { try check(access(mount["name"], F_OK)) }
          }
        }
        #expect(try contents(mount["name"]) == pattern(100) && trash(mount).count == 100)
      }
    }

    @Test("§unlink §rename-over: with nodelete nothing is deleted or replaced")
    func nodelete() throws {
      try withMount(MountFixture.smallChunks + ["-o", "nodelete"]) { mount in
        try mount.makeLog("a", pattern(10))
        try mount.makeLog("b", pattern(20))
        #expect(outcome { try check(unlink(mount["a"])) } == "EPERM")
        #expect(outcome { try check(rename(mount["a"], mount["b"])) } == "EPERM")
        #expect(try run(["rm", "-f", mount["a"]]).status != 0)
        #expect(outcome { try check(rename(mount["a"], mount["c"])) } == "ok")
        #expect(outcome { try check(unlink(mount["absent"])) } == "ENOENT")
        #expect(try contents(mount["c"]) == pattern(10) && contents(mount["b"]) == pattern(20))
        #expect(try trash(mount).isEmpty)
      }
    }

    @Test("§trash: purging takes the bytes from the disk and from the remote, and leaves others alone")
    func purging() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(300_000))
        try mount.makeLog("other", pattern(10))
        let id = try status(mount["log"]).st_ino
        try mount.mustControl("checkpoint")
        #expect(try mount.control("purge log\n").outcome == "ENOENT")
        for _ in 0..<2 {
          try check(unlink(mount["log"]))
          try mount.makeLog("log", pattern(10))
        }
        // Two of that name, and no command without its newline.
        let (result, answer) = try mount.control("purge log\n")
        #expect(result == "EINVAL" && answer.contains("id=\(id)"), "\(answer)")
        #expect(try mount.control("purge id=\(id)").outcome == "EINVAL")
        for bad in ["purge\n", "purge id=x\n", "purge log all=yes\n", "restore\n", "trash log\n"] {
          #expect(try mount.control(bad).outcome == "EINVAL", "\(bad)")
        }
        #expect(try mount.control("trash", at: ".ctl/logs/other/command").outcome == "EINVAL")
        try mount.mustControl("purge id=\(id)\n")
        let places = [String(format: "%@/chunks/%016x", mount.store, Int(id)), "\(mount.store)/remote/chunks/\(id)"]
        let left = try run(["find"] + places + ["-type", "f"]).output
        #expect(left.isEmpty, "\(left)")
        try mount.mustControl("purge all=yes\n")
        #expect(try trash(mount).isEmpty)
        #expect(try contents(mount["other"]) == pattern(10) && contents(mount["log"]) == pattern(10))
        try mount.mustControl("verify remote=yes")
        // The same by the command, mounted and not.
        try check(unlink(mount["log"]))
        #expect(try run([aofs, "trash", "ls", mount.point]).output.contains("log"))
        #expect(try run([aofs, "trash", "restore", mount.point, "log", "--to", "x/y"]).status == 0)
        #expect(try contents(mount["x/y"]) == pattern(10))
        try check(unlink(mount["x/y"]))
        try mount.unmount()
        #expect(try run([aofs, "trash", "purge", mount.store, "--expired"]).output.contains("nothing"))
        #expect(try run([aofs, "trash", "purge", mount.store]).status == 64)
        #expect(try run([aofs, "trash", "purge", mount.store, "x/y"]).status == 0)
        #expect(try run([aofs, "trash", "restore", mount.store, "x/y"]).status == 66)
        #expect(try run([aofs, "verify", "--remote", mount.store]).status == 0)
      }
    }

    @Test("§trash: without a trash age logs go as soon as nobody has them open")
    func noTrash() throws {
      try withMount(MountFixture.smallChunks + ["--trash-age", "0"]) { mount in
        try mount.makeLog("log", pattern(300_000))
        let id = try status(mount["log"]).st_ino
        let handle = try mount.appender("log")
        try check(unlink(mount["log"]))
        #expect(try trash(mount) == [UInt64(id)])
        try handle.write(pattern(10, from: 300_000))
        try handle.close()
        // RELEASE comes after close(2) has returned.
        while try !trash(mount).isEmpty { sched_yield() }
        try mount.unmount()
        #expect(try run(["find", mount.store + "/chunks", "-type", "f"]).output.isEmpty)
      }
    }
  }
}
