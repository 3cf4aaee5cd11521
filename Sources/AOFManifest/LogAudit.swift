import AOFCore
import AOFFormat

/// What the manifest says of one log and its extents, and what must be so of it.
package struct LogAudit {
  private let log: AofDescriptorRecord
  private let extents: [AofChunkRecord]
  private let epoch: UInt64

  /// - Parameters:
  ///   - extents: all of the log's, in the order of their LSNs.
  ///   - epoch: the counter; no object is of a later one.
  package init(_ log: AofDescriptorRecord, _ extents: [AofChunkRecord], epoch: UInt64) {
    self.log = log
    self.extents = extents
    self.epoch = epoch
  }

  /// One line for each thing that is wrong.
  package var problems: [String] { marks + chain + extents.flatMap(problems(of:)) }

  private var marks: [String] {
    var found: [String] = []
    func check(_ lower: (String, LSN), _ upper: (String, LSN)) {
      if lower.1 > upper.1 { found.append("its \(lower.0) LSN \(lower.1) is past its \(upper.0) LSN \(upper.1)") }
    }
    check(("head", log.head), ("sealed", log.sealed))
    check(("remote", log.remote), ("sealed", log.sealed))
    check(("sealed", log.sealed), ("applied", log.applied))
    check(("generation's", log.generationStart), ("applied", log.applied))
    return found
  }

  /// Extents follow each other from the head to the sealed LSN.
  private var chain: [String] {
    var found: [String] = []
    var position = min(extents.first?.range.lowerBound ?? log.head, log.head)
    for extent in extents {
      if extent.range.lowerBound > position {
        found.append("no extent holds LSN \(position)..<\(extent.range.lowerBound)")
      } else if extent.range.lowerBound < position {
        found.append("two extents hold LSN \(extent.range.lowerBound)..<\(min(position, extent.range.upperBound))")
      }
      position = max(position, extent.range.upperBound)
    }
    if position < log.sealed { found.append("no extent holds LSN \(position)..<\(log.sealed)") }
    if position > log.sealed { found.append("its extents end at LSN \(position), past its sealed LSN \(log.sealed)") }
    return found
  }

  private func problems(of extent: AofChunkRecord) -> [String] {
    var found: [String] = []
    let name = "the extent from LSN \(extent.range.lowerBound) on"
    if log.chunkSize.chunkID(for: extent.range.lowerBound) != extent.chunk
      || extent.range.upperBound > log.chunkSize.chunkEnd(extent.chunk)
    {
      found.append("\(name) is not of chunk \(extent.chunk)")
    }
    if extent.generation > log.generation {
      found.append("\(name) is of generation \(extent.generation), later than the log's \(log.generation)")
    }
    if let object = extent.object {
      found += problems(of: object, extent).map { "\(name): \($0)" }
    } else if extent.range.lowerBound < log.remote, log.head < log.remote {
      // Where both are one, the remote has nothing: the extent that holds them keeps the frame which the head cuts.
      found.append("\(name) lies below the remote LSN \(log.remote), and no object holds it")
    }
    return found
  }

  private func problems(of object: StoredObject, _ extent: AofChunkRecord) -> [String] {
    let key: ObjectKey
    do throws(AofError) { key = try ObjectKey(parsing: object.key) } catch { return [error.message] }
    var found: [String] = []
    if key.log != extent.log || key.chunk != extent.chunk || key.range != extent.range || key.generation != extent.generation {
      found.append("its object \(key) is of another extent")
    }
    if key.epoch > epoch { found.append("its object \(key) is of a later epoch than the store's, \(epoch)") }
    let frames = object.frameLengths.reduce(0) { $0 + UInt64($1) }
    let trailer = RemoteFormat.trailerSize(frameCount: UInt32(truncatingIfNeeded: object.frameLengths.count))
    if frames + UInt64(trailer) != object.size { found.append("its frames do not add up to its object's \(object.size) bytes") }
    return found
  }
}
