/// Every limit that more than one module knows. Relations between them are asserted by LimitsTests.
public enum Limits {
  public static let minimumChunkSize = ByteCount.kibibytes(128)
  public static let maximumChunkSize = ByteCount.gibibytes(4)

  /// The unit of checksums, compression and hydration: a fixed grid within each chunk, in bytes.
  /// Frames of 128 KiB cost about 1 % of zstd's ratio on log text.
  public static let frameSize = 128 << 10

  /// What trimming frees comes in whole pages of this size, in bytes.
  public static let trimUnit = 4096

  /// The longest name of a log or directory, in bytes, without its path.
  public static let nameLength = 255

  /// The longest path of a log below the mount, in bytes (PATH_MAX, with its NUL).
  public static let pathLength = 4095

  /// The largest single append, in bytes.
  public static let maximumAppend = 8 << 20

  /// The largest append whose payload is written to the WAL, in bytes; that of larger ones is written to the chunk files
  /// alone. Measured: docs/benchmarks/findings.md, "Inline and indirect".
  public static let largestInlineAppend = 64 << 10

  /// How much of a log the WAL alone accounts for before it is applied, in bytes: what a recovery has to read and to write
  /// again of one log.
  public static let longestUnappliedTail = 64 << 20

  /// Disk space that a store sets aside for what must go on when the disk is full, in bytes.
  public static let spaceReserve = 24 << 20

  /// Downloads that a store has under way at most: enough of them for a link with a long delay, and fewer than the
  /// requests that its remote takes at once, so that uploads go on while all of these hang.
  public static let downloads = 24

  /// The memory that a store's downloads take at most, in bytes, unless it is opened with another budget.
  public static let prefetchMemory = 128 << 20

  /// The least such budget, in bytes: the largest request and what it takes compressed fit.
  public static let minimumPrefetchMemory = 4 << 20

  /// The size of a WAL segment, in bytes.
  public static let walSegmentSize = 16 << 20

  /// The end of a mounted log that `evict` leaves on the local disk, in bytes: a READ that touches the
  /// tail page must never wait for the remote, or it blocks the next append in the kernel.
  public static let residentTail = 2 << 20

  /// The most logs and objects that a snapshot of the remote's manifest tells of: some 512 bytes of 128 MiB for each.
  public static let snapshotLimit = 1 << 18

  /// The largest request that the kernel sends, in bytes.
  public static let maximumRequest = 1 << 20

  /// The longest message that a control file takes, in bytes. Well below the largest request: a request that is longer may be
  /// a part of a message that the kernel has cut, at the page of some kernel's at which its buffer begins.
  public static let maximumCommand = maximumRequest - (64 << 10)

  /// The most commands that a message may hold.
  public static let commandsInMessage = 4096

  /// Where the answer to a message has this length, in bytes, what its further commands answer is left out, but for a failure.
  public static let longAnswer = 1 << 20
}
