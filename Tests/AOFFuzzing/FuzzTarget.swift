import AOFCore

/// What is fuzzed: each decoder of bytes or text that come from a disk, a bucket or a user.
package enum FuzzTarget: String, CaseIterable, Sendable {
  case walSegment = "wal-segment"
  case objectInfo = "object-info"
  case seekTable = "seek-table"
  case frameTable = "frame-table"
  case residencyMap = "residency-map"
  case cacheOrder = "cache-order"
  case manifestRecord = "manifest-record"
  case storeHeader = "store-header"
  case objectKey = "object-key"
  case controlCommand = "control-command"
  case mountOptions = "mount-options"
  case zstdFrame = "zstd-frame"
  case remoteLocation = "remote-location"
  case s3Listing = "s3-listing"

  /// Runs the target on one input. Any input is a possible one.
  /// - Throws: what of its promises the code does not keep; a trap is a finding too.
  package func run(_ input: [UInt8]) throws(Finding) {
    switch self {
    case .walSegment: try WalSegmentTarget.run(input)
    case .objectInfo: try ObjectInfoTarget.run(input)
    case .seekTable: try SeekTableTarget.run(input)
    case .frameTable: try FrameTableTarget.run(input)
    case .residencyMap: try ResidencyMapTarget.run(input)
    case .cacheOrder: try CacheOrderTarget.run(input)
    case .manifestRecord: try ManifestRecordTarget.run(input)
    case .storeHeader: try StoreHeaderTarget.run(input)
    case .objectKey: try ObjectKeyTarget.run(input)
    case .controlCommand: try ControlCommandTarget.run(input)
    case .mountOptions: try MountOptionsTarget.run(input)
    case .zstdFrame: try ZstdFrameTarget.run(input)
    case .remoteLocation: try RemoteLocationTarget.run(input)
    case .s3Listing: try S3ListingTarget.run(input)
    }
  }

  /// Inputs that reach the far side of the target's checks; the corpus holds more.
  package var seeds: [[UInt8]] {
    switch self {
    case .walSegment: WalSegmentTarget.seeds
    case .objectInfo: ObjectInfoTarget.seeds
    case .seekTable: SeekTableTarget.seeds
    case .frameTable: FrameTableTarget.seeds
    case .residencyMap: ResidencyMapTarget.seeds
    case .cacheOrder: CacheOrderTarget.seeds
    case .manifestRecord: ManifestRecordTarget.seeds
    case .storeHeader: StoreHeaderTarget.seeds
    case .objectKey: ObjectKeyTarget.seeds
    case .controlCommand: ControlCommandTarget.seeds
    case .mountOptions: MountOptionsTarget.seeds
    case .zstdFrame: ZstdFrameTarget.seeds
    case .remoteLocation: RemoteLocationTarget.seeds
    case .s3Listing: S3ListingTarget.seeds
    }
  }
}

/// Runs a decoder, whose errors must be of the codes that it documents.
/// - Returns: nil for an input that it refused.
func decoded<Value>(
  codes: Set<AofError.Code>, _ decode: () throws(AofError) -> Value
) throws(Finding) -> Value? {
  do throws(AofError) {
    return try decode()
  } catch {
    try promise(codes.contains(error.code), "refused with \(error.code), which it does not document: \(error)")
    return nil
  }
}

/// Runs what must succeed on values that were found good.
func accepted<Value>(_ what: String, _ body: () throws(AofError) -> Value) throws(Finding) -> Value {
  do throws(AofError) { return try body() } catch { throw Finding("\(what): \(error)") }
}
