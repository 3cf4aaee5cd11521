import AOFCore
import CFuse3

/// libfuse's table of callbacks. What is missing here the kernel does itself: locks (a lock that blocks must
/// not hold a thread of ours), permission checks, mmap. And where it gathers writes: which parts of a file are holes, as it
/// alone knows the file's size; and extended attributes, since it would ask for `security.capability` with each write.
func makeOperations(gathersWrites: Bool) -> fuse_lowlevel_ops {
  var operations = fuse_lowlevel_ops()
  operations.`init` = onInit

  operations.lookup = onLookup
  operations.forget = onForget
  operations.forget_multi = onForgetMany
  operations.getattr = onGetAttributes
  operations.setattr = onSetAttributes
  operations.statfs = onStatFS

  operations.mkdir = onMakeDirectory
  operations.rmdir = onRemoveDirectory
  operations.unlink = onUnlink
  operations.rename = onRename
  operations.link = onLink
  operations.symlink = onSymlink
  operations.mknod = onMakeNode

  operations.open = onOpen
  operations.create = onCreate
  operations.read = onRead
  operations.write = onWrite
  operations.flush = onFlush
  operations.fsync = onSync
  operations.release = onRelease
  operations.fallocate = onAllocate
  if !gathersWrites { operations.lseek = onSeek }
  operations.ioctl = onControl
  operations.poll = onPoll

  operations.opendir = onOpenDirectory
  operations.readdir = onReadDirectory
  operations.readdirplus = onReadDirectoryPlus
  operations.releasedir = onReleaseDirectory
  operations.fsyncdir = onSyncDirectory

  if !gathersWrites { operations.getxattr = onGetExtended }
  operations.setxattr = onSetExtended
  operations.listxattr = onListExtended
  operations.removexattr = onRemoveExtended
  return operations
}

/// Settles with the kernel how the two talk.
func onInit(_ userdata: UnsafeMutableRawPointer?, _ connection: UnsafeMutablePointer<fuse_conn_info>?) {
  guard let connection, let userdata else { return }
  let options = Unmanaged<MountContext>.fromOpaque(userdata).takeUnretainedValue().files.options
  func set(_ capability: Int32, _ wanted: Bool) {
    let bit = UInt32(bitPattern: capability)
    if wanted, connection.pointee.capable & bit != 0 {
      connection.pointee.want |= bit
    } else {
      connection.pointee.want &= ~bit
    }
  }
  // O_TRUNC is refused inside open, before the kernel has thrown its pages away.
  set(FUSE_CAP_ATOMIC_O_TRUNC, true)
  // The daemon tells when pages change; with AUTO the kernel would ask for attributes at every read and drop
  // all pages of a log at every append.
  set(FUSE_CAP_EXPLICIT_INVAL_DATA, true)
  set(FUSE_CAP_AUTO_INVAL_DATA, false)
  // With it one large append of libaio arrives in pieces, the second before the first.
  set(FUSE_CAP_ASYNC_DIO, false)
  set(FUSE_CAP_ASYNC_READ, true)
  set(FUSE_CAP_PARALLEL_DIROPS, true)
  // Where the kernel keeps the sizes, one that it got while it forgot the inode would be wrong for good.
  set(FUSE_CAP_READDIRPLUS, !options.gathersWrites)
  set(FUSE_CAP_READDIRPLUS_AUTO, !options.gathersWrites)
  set(FUSE_CAP_HANDLE_KILLPRIV, true)
  // Requests come in one buffer each, and replies leave in one: splicing measured slower.
  set(FUSE_CAP_SPLICE_READ, false)
  set(FUSE_CAP_SPLICE_WRITE, false)
  set(FUSE_CAP_SPLICE_MOVE, false)
  set(FUSE_CAP_WRITEBACK_CACHE, options.gathersWrites)
  // Locks stay in the kernel.
  set(FUSE_CAP_POSIX_LOCKS, false)
  set(FUSE_CAP_FLOCK_LOCKS, false)
  connection.pointee.max_write = UInt32(Limits.maximumRequest)
  // READs that wait for the remote count as background requests; with the kernel's default a dozen of them
  // stop all read-ahead of the mount.
  connection.pointee.max_background = 4096
  connection.pointee.congestion_threshold = 3072
  connection.pointee.time_gran = 1
}
