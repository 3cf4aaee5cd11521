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
    @Test("§fallocate §punch-hole §fallocate-other: no mode changes a log")
    func modes() throws {
      try withMount { mount in
        let bytes = pattern(10_000)
        try mount.makeLog("log", bytes)
        let handle = try mount.open("log", O_RDWR | O_APPEND)
        let punch = TEST_FALLOC_PUNCH_HOLE | TEST_FALLOC_KEEP_SIZE
        let rows: [(mode: Int32, offset: Int, expected: String)] = [
          (0, 10_000, "EOPNOTSUPP"), (TEST_FALLOC_KEEP_SIZE, 10_000, "ok"), (TEST_FALLOC_KEEP_SIZE, 0, "ok"),
          (punch, 0, "EOPNOTSUPP"), (punch, 4096, "EOPNOTSUPP"), (TEST_FALLOC_ZERO_RANGE, 0, "EOPNOTSUPP"),
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
}
