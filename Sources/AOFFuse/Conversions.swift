import AOFCore
import AOFFileSystem
import CFuse3
import Glibc

extension stat {
  init(_ attributes: FileAttributes) {
    self.init()
    st_ino = ino_t(attributes.node.rawValue)
    st_mode = (attributes.kind == .directory ? S_IFDIR : S_IFREG) | attributes.permissions
    st_nlink = nlink_t(attributes.links)
    st_uid = attributes.userID
    st_gid = attributes.groupID
    st_size = off_t(clamping: attributes.size)
    st_blocks = blkcnt_t(clamping: attributes.blocks)
    // Programs read and write in this unit; a frame is what a cold read costs anyway.
    st_blksize = blksize_t(Limits.frameSize)
    st_atim = timespec(attributes.accessTime)
    st_mtim = timespec(attributes.modificationTime)
    st_ctim = timespec(attributes.changeTime)
  }
}

extension timespec {
  init(_ time: UnixTime) { self.init(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds)) }
}

extension UnixTime {
  init(_ time: timespec) { self.init(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec)) }
}

extension fuse_entry_param {
  init(_ entry: Entry) {
    self.init()
    ino = entry.attributes.node.rawValue
    generation = UInt64(entry.generation)
    attr = stat(entry.attributes)
    attr_timeout = entry.attributeValidity
    entry_timeout = entry.nameValidity
  }
}

extension statvfs {
  init(_ disk: DiskStatus) {
    self.init()
    f_bsize = UInt(clamping: disk.blockSize)
    f_frsize = UInt(clamping: disk.blockSize)
    f_blocks = fsblkcnt_t(disk.blocks)
    f_bfree = fsblkcnt_t(disk.freeBlocks)
    f_bavail = fsblkcnt_t(disk.availableBlocks)
    f_files = fsfilcnt_t(disk.files)
    f_ffree = fsfilcnt_t(disk.freeFiles)
    f_favail = fsfilcnt_t(disk.freeFiles)
    f_namemax = UInt(clamping: disk.nameLength)
  }
}

extension fuse_file_info {
  mutating func take(_ answer: OpenAnswer) {
    fh = answer.handle.rawValue
    direct_io = answer.bypassesCache ? 1 : 0
    keep_cache = answer.keepsCache ? 1 : 0
    // close(2) has nothing to report, so the kernel need not ask. In writeback mode it does all the same.
    noflush = 1
    nonseekable = answer.isStream ? 1 : 0
  }
}

extension AttributeChange {
  /// What a SETATTR of the kernel changes: the fields of `status` that `mask` names.
  init(_ status: stat, mask: Int32) {
    self.init()
    if mask & FUSE_SET_ATTR_MODE != 0 { permissions = status.st_mode & 0o7777 }
    if mask & FUSE_SET_ATTR_UID != 0 { userID = status.st_uid }
    if mask & FUSE_SET_ATTR_GID != 0 { groupID = status.st_gid }
    if mask & FUSE_SET_ATTR_SIZE != 0 { size = UInt64(clamping: status.st_size) }
    if mask & FUSE_SET_ATTR_ATIME_NOW != 0 {
      accessTime = .now
    } else if mask & FUSE_SET_ATTR_ATIME != 0 {
      accessTime = .at(UnixTime(status.st_atim))
    }
    if mask & FUSE_SET_ATTR_MTIME_NOW != 0 {
      modificationTime = .now
    } else if mask & FUSE_SET_ATTR_MTIME != 0 {
      modificationTime = .at(UnixTime(status.st_mtim))
    }
    if mask & FUSE_SET_ATTR_CTIME != 0 { changeTime = UnixTime(status.st_ctim) }
  }
}

/// The bytes of a name that the kernel sent, without its NUL.
func nameBytes(_ name: UnsafePointer<CChar>?) -> [UInt8] {
  guard let name else { return [] }
  return Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
}
