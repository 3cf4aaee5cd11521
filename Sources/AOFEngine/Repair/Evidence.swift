import AOFCore
import AOFFormat
import AOFSystem

/// Copies of what was found damaged, in a directory of the store from which nothing is deleted.
struct Evidence {
  private let directory: String
  private let environment: Environment

  init(_ layout: StoreLayout, _ environment: Environment) {
    directory = layout.evidence
    self.environment = environment
  }

  /// Keeps the bytes, durably, under a name that begins with `name`.
  /// - Returns: the path of the copy.
  func keep(_ bytes: [UInt8], as name: String) throws(AofError) -> String {
    let (path, file) = try create(name)
    try bytes.withTypedBytes { bytes throws(AofError) in try file.write(bytes, at: 0) }
    try file.syncData()
    try environment.disk.syncDirectory(directory)
    return path
  }

  /// Keeps a copy of `range` of a file, durably, at the same offsets; runs of zeros become holes.
  /// - Returns: the path of the copy; nil if there is nothing but zeros.
  func keep(_ range: Range<Int>, of source: File, as name: String) throws(AofError) -> String? {
    var copy: (path: String, file: File)?
    try source.forEachPiece(in: range) { piece, offset throws(AofError) in
      let target = if let copy { copy } else { try create(name) }
      copy = target
      try target.file.write(piece, at: offset)
    }
    guard let copy else { return nil }
    try copy.file.syncData()
    try environment.disk.syncDirectory(directory)
    return copy.path
  }

  private func create(_ name: String) throws(AofError) -> (path: String, file: File) {
    try environment.disk.createDirectory(directory)
    let path = directory + "/" + name + "." + FixedWidthNumber.hex(environment.random())
    return (path, try environment.disk.open(path, .createNew))
  }
}

extension File {
  /// Reads a range in pieces of a frame's size, and hands on those that hold anything but zeros, with their offset.
  func forEachPiece(
    in range: Range<Int>, _ body: (UnsafeRawBufferPointer, Int) throws(AofError) -> Void
  ) throws(AofError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Limits.frameSize, alignment: 4096)
    defer { buffer.deallocate() }
    var offset = range.lowerBound
    while offset < range.upperBound {
      let wanted = min(buffer.count, range.upperBound - offset)
      let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
      if count == 0 { return }
      let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      if piece.contains(where: { $0 != 0 }) { try body(piece, offset) }
      offset += count
    }
  }
}
