import CTestShims
import Glibc
import Testing

extension MountTests {
  @Suite("Read") struct ReadTests {
    @Test("§read: any range, of any size, in full")
    func ranges() throws {
      try withMount { mount in
        let length = 700_001
        try mount.makeLog("log", pattern(length))
        let handle = try mount.open("log", O_RDONLY)
        let chunk = 128 << 10
        for offset in [0, 1, 4095, chunk - 1, chunk, chunk + 1, 3 * chunk - 7, length - 1] {
          for count in [1, 7, 4096, chunk, 300_000] {
            let wanted = pattern(min(count, length - offset), from: offset)
            #expect(try handle.read(count, at: offset) == wanted, "\(count) at \(offset)")
          }
        }
      }
    }

    @Test("§read-tail: at and past the tail there is nothing, at once")
    func atTail() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(5000))
        for flags in [O_RDONLY, O_RDWR | O_APPEND] {
          let handle = try mount.open("log", flags)
          for offset in [5000, 5001, 4096 * 3, 1 << 40] { #expect(try handle.read(10, at: offset) == []) }
          #expect(try handle.read(10, at: 4995) == pattern(5, from: 4995))
        }
      }
    }

    @Test("§read-cold: evicted bytes come back, and only a part of them was fetched")
    func cold() throws {
      try withMount { mount in
        let length = 6 << 20
        try mount.makeLog("log", pattern(length))
        try mount.mustControl("checkpoint log")
        #expect(try mount.watermark("remote", of: "log") == length)
        let full = try status(mount["log"]).st_blocks
        try mount.mustControl("evict log")
        let evicted = try status(mount["log"]).st_blocks
        #expect(evicted < full - (3 << 20) / 512, "\(evicted) of \(full) blocks are left")
        let handle = try mount.open("log", O_RDONLY)
        #expect(try handle.read(4096, at: 131_070) == pattern(4096, from: 131_070))
        let touched = try status(mount["log"]).st_blocks
        #expect(touched < evicted + (2 << 20) / 512, "a small read brought back \((touched - evicted) / 2) KiB")
        #expect(try contents(mount["log"]) == pattern(length))
        // And through many readers at once, cold again.
        try mount.mustControl("evict log")
        try onThreads(8) { index in
          let handle = try mount.open("log", O_RDONLY)
          for round in 0..<16 {
            let offset = (index * 37 + round * 401) % 96 * 65_536 + index
            guard try handle.read(5000, at: offset) == pattern(min(5000, length - offset), from: offset) else {
              throw Hang(description: "wrong bytes at \(offset)")
            }
          }
        }
      }
    }

    @Test("§read-damaged: damage in the remote is an error, never wrong bytes")
    func damaged() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(4 << 20))
        try mount.mustControl("checkpoint log")
        try mount.mustControl("evict log")
        let objects = try run(["find", mount.store + "/remote", "-name", "*.zst"]).output.split(separator: "\n")
        #expect(!objects.isEmpty)
        for object in objects {
          let file = try Handle(String(object), O_RDWR)
          let size = try file.size()
          // Somewhere in the frames: neither the first bytes nor the table at the end.
          for place in stride(from: 40, to: max(41, size - 600), by: 97) {
            let byte = try file.read(1, at: place)
            try file.pwrite([~(byte.first ?? 0)], at: place)
          }
        }
        let handle = try mount.open("log", O_RDONLY)
        #expect(outcome { try handle.read(4096, at: 0) } == "EIO")
        let tail = (4 << 20) - 4096
        #expect(try handle.read(4096, at: tail) == pattern(4096, from: tail), "what is local goes on")
        #expect(outcome { try mount.appender("log").write("more") } == "ok")
      }
    }

    @Test("§read-unreachable: without the remote a cold read fails, and local work goes on")
    func unreachable() throws {
      try withMount { mount in
        let length = 4 << 20
        try mount.makeLog("log", pattern(length))
        try mount.mustControl("checkpoint log")
        try mount.mustControl("evict log")
        // A file where the folder of the objects was: nothing below it can be reached, and nothing be put there.
        let objects = mount.store + "/remote/chunks"
        try check(rename(objects, objects + ".away"))
        try Handle(objects, O_WRONLY | O_CREAT).close()
        let handle = try mount.open("log", O_RDONLY)
        #expect(outcome { try handle.read(4096, at: 0) } == "EIO")
        #expect(outcome { try mount.appender("log").write(pattern(100, from: length)) } == "ok")
        #expect(try mount.control("checkpoint log").outcome == "EIO")
        try check(unlink(objects))
        try check(rename(objects + ".away", objects))
        #expect(try contents(mount["log"]) == pattern(length + 100))
        #expect(try mount.control("checkpoint log").outcome == "ok")
      }
    }
  }

  @Suite("Seek") struct SeekTests {
    @Test("§seek §seek-set: a log is all data, also where it is evicted")
    func seek() throws {
      try withMount { mount in
        let length = 5 << 20
        try mount.makeLog("log", pattern(length))
        try mount.mustControl("checkpoint log")
        try mount.mustControl("evict log")
        let handle = try mount.open("log", O_RDONLY)
        #expect(try handle.seek(0, TEST_SEEK_DATA) == 0)
        #expect(try handle.seek(777, TEST_SEEK_DATA) == 777)
        #expect(try handle.seek(0, TEST_SEEK_HOLE) == length)
        #expect(try handle.seek(length - 1, TEST_SEEK_HOLE) == length)
        #expect(outcome { try handle.seek(length, TEST_SEEK_DATA) } == "ENXIO")
        #expect(outcome { try handle.seek(length + 1, TEST_SEEK_HOLE) } == "ENXIO")
        #expect(try handle.seek(length + 1000, SEEK_SET) == length + 1000)
        #expect(try handle.seek(-4, SEEK_END) == length - 4)
        #expect(outcome { try handle.seek(-1, SEEK_SET) } == "EINVAL")
      }
    }
  }

  @Suite("Mmap") struct MmapTests {
    private func map(_ handle: Handle, _ protection: Int32, _ flags: Int32) throws -> UnsafeMutableRawPointer {
      let address = mmap(nil, 4096, protection, flags, handle.fd, 0)
      guard let address, address != MAP_FAILED else { throw SystemError(errno: errno) }
      return address
    }

    @Test("§mmap-read §mmap-write: mappings read, and none writes")
    func mapping() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(8192))
        let reader = try mount.open("log", O_RDONLY)
        for flags in [MAP_SHARED, MAP_PRIVATE] {
          let address = try map(reader, PROT_READ, flags)
          #expect(Array(UnsafeRawBufferPointer(start: address, count: 4096)) == pattern(4096))
          munmap(address, 4096)
        }
        let scratch = try map(reader, PROT_READ | PROT_WRITE, MAP_PRIVATE)
        scratch.storeBytes(of: 0, as: UInt8.self)
        munmap(scratch, 4096)
        #expect(outcome { try map(reader, PROT_READ | PROT_WRITE, MAP_SHARED) } == "EACCES")
        for flags in [O_RDWR | O_APPEND, O_RDWR] {
          let writer = try mount.open("log", flags)
          #expect(["ENODEV", "EACCES"].contains(outcome { try map(writer, PROT_READ | PROT_WRITE, MAP_SHARED) }))
        }
        #expect(try contents(mount["log"]) == pattern(8192))
      }
    }
  }
}
