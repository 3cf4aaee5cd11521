import CTestShims
import Glibc
import Testing

extension MountTests {
  /// Bad input to the command: a clear message, an exit code, and nothing lost.
  @Suite("Refusals") struct RefusalTests {
    /// Runs a mount that must be refused, and returns what it said.
    private func refusal(_ arguments: [String]) throws -> String {
      let result = try run([aofs, "mount", "-f"] + arguments, guardSeconds: 30)
      #expect(result.status != 0 && result.status < 128, "\(arguments) ended with \(result.status)")
      #expect(!result.errors.isEmpty, "\(arguments) said nothing")
      return result.errors
    }

    @Test("§one-daemon: a second mount of a store names the first one's process and mount point")
    func twice() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10))
        let second = mount.folder.path + "/second"
        try check(mkdir(second, 0o755))
        let said = try refusal([mount.store, second])
        #expect(said.contains("\(mount.process?.pid ?? -1)"), "\(said)")
        #expect(said.contains(mount.point), "\(said)")
        #expect(try contents(mount["log"]) == pattern(10))
        // Read access to the store beside the mount is refused the same way.
        let cat = try run([aofs, "cat", "\(mount.store):log"])
        #expect(cat.status != 0)
      }
    }

    @Test("§bad-mount: a mount point that is missing, no directory, or taken; chunk sizes out of range")
    func mountPoints() throws {
      try withMount { mount in
        let folder = mount.folder.path
        let absent = try refusal([folder + "/s1", folder + "/absent"])
        #expect(absent.contains(folder + "/absent"), "\(absent)")
        try Handle(folder + "/file", O_WRONLY | O_CREAT).close()
        #expect(try refusal([folder + "/s2", folder + "/file"]).contains(folder + "/file"))
        #expect(try refusal([folder + "/s3", mount.point]).contains(mount.point))
        for size in ["100000", "64KiB", "8GiB", "0", "-1", "many"] {
          _ = try refusal([folder + "/s4", folder, "--chunk-size=\(size)"])
          #expect(outcome { try status(folder + "/s4") } == "ENOENT", "a refused \(size) left a store behind")
        }
      }
    }

    @Test("§bad-store: a folder that is no store stays as it is")
    func foreign() throws {
      let fixture = try MountFixture()
      defer { fixture.tearDown() }
      try check(mkdir(fixture.store, 0o755))
      let precious = fixture.store + "/precious.txt"
      try Handle(precious, O_WRONLY | O_CREAT).write("mine")
      let said = try refusal([fixture.store, fixture.point])
      #expect(said.contains(fixture.store), "\(said)")
      #expect(try names(in: fixture.store) == [Array("precious.txt".utf8)])
      #expect(try text(precious) == "mine")
      _ = try refusal([precious, fixture.point])
      #expect(try text(precious) == "mine")
    }

    @Test("§bad-store: a damaged manifest is reported, not replaced")
    func damagedManifest() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(300_000))
        try mount.mustControl("checkpoint")
        try mount.unmount()
        let found = try run(["find", mount.store, "-maxdepth", "2", "-name", "*manifest*", "-type", "f"]).output
        let manifests = found.split(separator: "\n").map(String.init).filter { !$0.contains("/remote/") }
        #expect(!manifests.isEmpty, "where is the manifest?")
        for path in manifests {
          let file = try Handle(path, O_RDWR)
          let size = try file.size()
          for offset in stride(from: 0, to: size, by: 512) { try file.pwrite(pattern(300, from: offset), at: offset) }
        }
        let before = try manifests.map { try contents($0) }
        _ = try refusal([mount.store, mount.point])
        #expect(try manifests.map { try contents($0) } == before, "the evidence was changed")
      }
    }

    @Test("no arguments: short help on stderr, exit 64; --help and --version answer")
    func usage() throws {
      let bare = try run([aofs])
      #expect(bare.status == 64)
      #expect(bare.output.isEmpty && bare.errors.lowercased().contains("usage"), "\(bare.errors)")
      #expect(try run([aofs, "--help"]).status == 0)
      #expect(try run([aofs, "--version"]).output.contains("."))
      let verbs = ["mount", "create", "ls", "status", "cat", "append", "seal", "checkpoint", "evict", "verify", "objects"]
      for verb in verbs {
        let help = try run([aofs, verb, "--help"])
        #expect(help.status == 0 && !help.output.isEmpty, "\(verb)")
      }
      #expect(try run([aofs, "frobnicate"]).status == 64)
      #expect(try run([aofs, "mount"]).status == 64)
    }
  }

  @Suite("Full disk", .enabled(if: geteuid() == 0, "needs root for a small filesystem"))
  struct FullDiskTests {
    /// A mount whose store has some 90 MiB of disk, and a file to remove for more.
    private func onSmallDisk(_ options: String...) throws -> (MountFixture, filler: String) {
      let fixture = try MountFixture()
      do {
        try check(mkdir(fixture.store, 0o700))
        try check(test_mount_tmpfs(fixture.store, "size=160m,mode=0700"))
        try fixture.start(MountFixture.smallChunks + options)
        let filler = fixture.store + "/filler"
        try Handle(filler, O_WRONLY | O_CREAT).allocate(0, at: 0, 64 << 20)
        return (fixture, filler)
      } catch {
        fixture.tearDown()
        throw error
      }
    }

    @Test("§disk-full: ENOSPC, nothing half-written, and appends go on when space returns")
    func full() throws {
      let (fixture, filler) = try onSmallDisk()
      defer { fixture.tearDown() }
      let handle = try fixture.appender("log")
      let piece = 1 << 18
      var length = 0
      var failure = ""
      while failure.isEmpty, length < 200 << 20 {
        let result = outcome { try handle.write(pattern(piece, from: length)) }
        if result == "ok" { length += piece } else { failure = result }
      }
      #expect(failure == "ENOSPC")
      #expect(try handle.size() == length, "something was half-written")
      #expect(fixture.process?.isRunning == true)
      try check(unlink(filler))
      #expect(outcome { try handle.write(pattern(piece, from: length)) } == "ok")
      #expect(outcome { try handle.sync() } == "ok")
      #expect(try contents(fixture["log"]) == pattern(length + piece))
    }

    @Test("§wb-failed: what is gathered and finds no space fails at fsync, and the log goes on for who opens it again")
    func fullWhileGathering() throws {
      let (fixture, filler) = try onSmallDisk("-o", "writeback")
      defer { fixture.tearDown() }
      let handle = try fixture.appender("log")
      let piece = 1 << 18
      var (length, synced) = (0, 0)
      var failure = ""
      while failure.isEmpty, length < 200 << 20 {
        try handle.write(pattern(piece, from: length))
        length += piece
        if length % (piece << 4) == 0 {
          failure = outcome { try handle.sync() }
          if failure == "ok" { (failure, synced) = ("", length) }
        }
      }
      #expect(failure == "ENOSPC")
      #expect(outcome { try handle.sync() } == "ENOSPC")
      try check(unlink(filler))
      let again = try fixture.appender("log")
      #expect(outcome { try handle.write([1]) } == "EIO")
      #expect(outcome { try handle.close() } == "EIO")
      let found = try again.size()
      #expect(found >= synced && found < length)
      try again.write(pattern(piece, from: found))
      try again.sync()
      #expect(try contents(fixture["log"]) == pattern(found + piece))
    }
  }
}
