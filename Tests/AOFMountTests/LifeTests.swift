import Glibc
import Testing

extension MountTests {
  @Suite("Remount") struct RemountTests {
    /// What must be the same after a remount.
    private struct Picture: Equatable {
      let inode: ino_t
      let mode: mode_t
      let size: off_t
      let modified: Int
      let bytes: [UInt8]

      init(_ path: String) throws {
        let facts = try status(path)
        (inode, mode, size) = (facts.st_ino, facts.st_mode, facts.st_size)
        modified = facts.st_mtim.tv_sec * 1_000_000_000 + facts.st_mtim.tv_nsec
        bytes = try contents(path)
      }
    }

    private func fill(_ mount: MountFixture) throws {
      try check(mkdir(mount["d"], 0o750))
      try mount.makeLog("sealed", pattern(500_000))
      try mount.mustControl("seal sealed")
      try mount.makeLog("cold", pattern(4 << 20))
      try mount.mustControl("checkpoint cold")
      try mount.mustControl("evict cold")
      try mount.makeLog("d/tail", pattern(70_000))
      try mount.makeLog("empty", [])
      try check(chmod(mount["d/tail"], 0o600))
    }

    @Test("§unmount §remount: every way to end keeps inodes, attributes and bytes",
      arguments: ["fusermount3", "SIGTERM", "SIGINT"])
    func remount(way: String) throws {
      try withMount { mount in
        try fill(mount)
        let logs = ["sealed", "cold", "d/tail", "empty"]
        let before = try logs.map { try Picture(mount[$0]) }
        let result: ProgramResult
        if way == "fusermount3" {
          result = try mount.unmount()
        } else {
          mount.process?.signal(way == "SIGTERM" ? SIGTERM : SIGINT)
          result = try mount.awaitEnd()
        }
        #expect(result.status == 0, "\(result.errors)")
        #expect(!mount.isMounted)
        #expect(try names(in: mount.point).isEmpty)
        try mount.start()
        #expect(try logs.map { try Picture(mount[$0]) } == before)
        // And they go on where they were.
        try mount.appender("d/tail").write(pattern(10, from: 70_000))
        #expect(try contents(mount["d/tail"]) == pattern(70_010))
        try mount.makeLog("new", [1])
        let inode = try status(mount["new"]).st_ino
        #expect(!before.map(\.inode).contains(inode))
      }
    }

    @Test("§settings: a mount without settings uses the stored ones; a different remote is refused")
    func settings() throws {
      try withMount(["--chunk-size", "256KiB"]) { mount in
        let remote = mount.folder.path + "/elsewhere"
        try mount.makeLog("log", [1])
        try mount.unmount()
        let refused = try run([aofs, "mount", "-f", mount.store, mount.point, "--remote", "dir:\(remote)"])
        #expect(refused.status != 0)
        #expect(refused.errors.contains(remote), "\(refused.errors)")
        #expect(refused.errors.contains(mount.store + "/remote"), "\(refused.errors)")
        #expect(outcome { try status(remote) } == "ENOENT")
        try mount.start()
        try mount.makeLog("later", pattern(300_000))
        try mount.mustControl("seal later")
        let list = try run([aofs, "ls", "--json", mount.point])
        #expect(list.status == 0, "\(list.errors)")
        #expect(list.output.contains("262144"), "the stored chunk size holds: \(list.output)")
        try mount.unmount()
        try mount.start(["--remote", "dir:\(mount.store)/remote"])
        #expect(try contents(mount["later"]) == pattern(300_000))
      }
    }

    @Test("a remote of one's own is used and stored")
    func ownRemote() throws {
      let folder = try TemporaryFolder()
      defer { folder.remove() }
      try withMount(MountFixture.smallChunks + ["--remote", "dir:\(folder.path)/bucket"]) { mount in
        try mount.makeLog("log", pattern(3 << 20))
        try mount.mustControl("checkpoint log")
        #expect(!(try names(in: folder.path + "/bucket")).isEmpty)
        try mount.remount()
        try mount.mustControl("evict log")
        #expect(try contents(mount["log"]) == pattern(3 << 20))
      }
    }
  }

  @Suite("Crash") struct CrashTests {
    @Test("§crash: a killed daemon loses nothing that write acknowledged")
    func killed() throws {
      try withMount { mount in
        try mount.makeLog("synced", pattern(200_000))
        try mount.appender("synced").sync()
        for round in 0..<3 {
          let handle = try mount.appender("log")
          for index in 0..<40 {
            let start = (round * 40 + index) * 7001
            try handle.write(pattern(7001, from: start))
          }
          try mount.kill()
          #expect(["ENOTCONN", "ECONNABORTED"].contains(outcome { try handle.write([1]) }))
          try? handle.close()
          try mount.start()
          #expect(try contents(mount["log"]) == pattern((round + 1) * 40 * 7001), "after round \(round)")
          #expect(try contents(mount["synced"]) == pattern(200_000))
        }
        try mount.mustControl("checkpoint")
        try mount.kill()
        try mount.start()
        #expect(try mount.watermark("remote", of: "log") == 120 * 7001)
        #expect(try contents(mount["log"]) == pattern(120 * 7001))
      }
    }

    @Test("§crash: a chunk that is sealed below a recovered tail takes nothing of that tail with it")
    func sealBelowRecoveredTail() throws {
      try withMount { mount in
        // In one chunk; killed; then over its end in one write that ends well past it; killed before and after the
        // full chunk was sealed, with the frames of the recovered part gone from the WAL.
        let (first, second) = (100_000, 200_000)
        try mount.makeLog("log", pattern(first))
        try mount.kill()
        try mount.start()
        try mount.appender("log").write(pattern(second - first, from: first))
        try mount.kill()
        try mount.start()
        #expect(try contents(mount["log"]) == pattern(second))
        try mount.appender("log").write(pattern(1, from: second))
        try waitUntil("the full chunk is sealed") { (try? mount.watermark("sealed", of: "log")) == 131_072 }
        try mount.kill()
        try mount.start()
        #expect(try contents(mount["log"]) == pattern(second + 1))
        #expect(outcome { try mount.appender("log").write([1]) } == "ok")
      }
    }

    @Test("a daemon killed while it seals and uploads comes back whole")
    func killedAtWork() throws {
      try withMount { mount in
        let length = 8 << 20
        try mount.makeLog("log", pattern(length))
        for command in ["seal", "checkpoint", "evict log", "checkpoint"] {
          // The command is under way, or just done, when the daemon dies: both must end well.
          let asking = try Subprocess(
            ["bash", "-c", "echo '\(command)' > '\(mount[".ctl/command"])'"], outputTo: mount.folder.path)
          usleep(UInt32.random(in: 0..<60_000))
          try mount.kill()
          _ = try asking.wait()
          try mount.start()
          #expect(try contents(mount["log"]) == pattern(length), "killed during \(command)")
        }
        try mount.mustControl("checkpoint")
        #expect(try mount.control("verify log").outcome == "ok")
      }
    }
  }
}
