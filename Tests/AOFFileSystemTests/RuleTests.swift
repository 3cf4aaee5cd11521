import AOFCore
import AOFEngine
import AOFManifest
import Glibc
import Testing

@testable import AOFFileSystem

@Suite("Rules of single operations")
struct RuleTests {
  @Test("SEEK_DATA and SEEK_HOLE see one run of data from head to tail")
  func seeking() throws {
    func seek(_ offset: Int64, _ whence: Int32) throws -> Int64 {
      try FileSystem.seek(offset, whence, head: 100, tail: 1000)
    }
    #expect(try seek(0, SEEK_DATA) == 100)
    #expect(try seek(500, SEEK_DATA) == 500)
    #expect(try seek(500, SEEK_HOLE) == 1000)
    #expect(try seek(0, SEEK_HOLE) == 0)
    for (offset, whence) in [(1000, SEEK_DATA), (1000, SEEK_HOLE), (-1, SEEK_DATA)] {
      let error = #expect(throws: AofError.self) { try seek(Int64(offset), whence) }
      #expect(error?.errno == ENXIO)
    }
    #expect(throws: AofError.self) { try seek(0, SEEK_SET) }
  }

  @Test("setuid and setgid are refused for logs, and dropped for directories")
  func permissions() throws {
    #expect(try FileSystem.allowedPermissions(0o640, for: .log) == 0o640)
    #expect(try FileSystem.allowedPermissions(0o2750, for: .directory) == 0o750)
    #expect(try FileSystem.allowedPermissions(0o1777, for: .directory) == 0o1777)
    for permissions: UInt32 in [0o4755, 0o2755, 0o6000] {
      let error = #expect(throws: AofError.self) { try FileSystem.allowedPermissions(permissions, for: .log) }
      #expect(error?.errno == EPERM)
    }
  }

  @Test("times that were set hold until the next append")
  func modificationTimes() {
    var stored = NodeAttributes(mode: 0o640, userID: 0, groupID: 0, now: UnixTime(rawValue: 100))
    let before = UnixTime(rawValue: 50)
    let after = UnixTime(rawValue: 200)
    #expect(FileSystem.modificationTime(stored, lastAppend: after) == after)
    stored.modificationTime = UnixTime(rawValue: 1)
    #expect(FileSystem.modificationTime(stored, lastAppend: before) == UnixTime(rawValue: 1))
    #expect(FileSystem.modificationTime(stored, lastAppend: after) == after)
  }

  @Test("attribute names are read as they are written")
  func attributes() {
    #expect(LogAttribute(attribute: Array("user.aof.tail_lsn".utf8)) == .tail)
    #expect(LogAttribute(attribute: Array("user.aof.chunk_size".utf8)) == .chunkSize)
    for name in ["user.aof.", "user.aof.nothing", "tail_lsn", "security.capability", ""] {
      #expect(LogAttribute(attribute: Array(name.utf8)) == nil, "\(name)")
    }
  }

  @Test("a log is evicted or resident only if all of it is")
  func residency() {
    #expect(FileSystem.residency([]) == .resident)
    #expect(FileSystem.residency([.resident, .resident]) == .resident)
    #expect(FileSystem.residency([.evicted, .evicted]) == .evicted)
    #expect(FileSystem.residency([.evicted, .resident]) == .partial)
    #expect(FileSystem.residency([.partial]) == .partial)
  }

  @Test(".ctl is reserved in the root alone")
  func controlName() {
    #expect(FileSystem.isControlDirectory(Array(".ctl".utf8), in: .root))
    #expect(!FileSystem.isControlDirectory(Array(".ctl".utf8), in: NodeID(rawValue: 7)))
    #expect(!FileSystem.isControlDirectory(Array(".ctlx".utf8), in: .root))
  }

  @Test("lsattr shows the append flag of a log, and chattr can neither clear it nor add others")
  func ioctls() throws {
    #expect(try AttributeIoctl.answer(0x8008_6601, nil, isLog: true) == 0x20)
    #expect(try AttributeIoctl.answer(0x8008_6601, nil, isLog: false) == 0)
    #expect(try AttributeIoctl.answer(0x801c_581f, nil, isLog: true) == 0x10)
    #expect(try AttributeIoctl.answer(0x4008_6602, 0x20, isLog: true) == nil)
    func errno(_ request: UInt32, _ flags: UInt32) -> Int32? {
      #expect(throws: AofError.self) { try AttributeIoctl.answer(request, flags, isLog: true) }?.errno
    }
    #expect(errno(0x4008_6602, 0) == EPERM)
    #expect(errno(0x4008_6602, 0x30) == EOPNOTSUPP)
    #expect(errno(0x1234, 0) == ENOTTY)
  }
}
