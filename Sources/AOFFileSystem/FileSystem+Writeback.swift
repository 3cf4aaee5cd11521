import AOFCore
import AOFEngine
import AOFManifest
import AOFSystem

/// In writeback mode: what comes from the kernel's page cache, and what has to wait for it.
extension FileSystem {
  /// Takes a piece of the page cache. Blocks on the local disk alone.
  func writeBack(
    _ bytes: UnsafeRawBufferPointer, at offset: UInt64, _ writeback: WritebackHandle, of log: Aof
  ) throws(AofError) -> WriteAnswer {
    let (end, overflow) = offset.addingReportingOverflow(UInt64(bytes.count))
    guard !overflow, end <= LSN.max.rawValue else { throw AofError(.tooLarge, "a write past the largest LSN") }
    switch try writeback.log.take(bytes, at: offset, of: writeback.incarnation) {
    case .taken: return .wrote(bytes.count)
    case .early:
      let copy = Array(bytes)
      return .later(
        Deferred(isInterruptible: false) { whenDone in
          do throws(AofError) {
            let isWritten = try writeback.log.hold(copy, at: offset, of: writeback.incarnation) { failure in
              whenDone(failure.map { .failure($0) } ?? .success(copy.count))
            }
            if isWritten { whenDone(.success(copy.count)) }
          } catch {
            whenDone(.failure(error))
          }
        })
    case .cold(let range):
      let copy = Array(bytes)
      return .later(
        Deferred(isInterruptible: false) { [self] whenDone in
          log.fetch(range, on: arrivals) { result in
            do throws(AofError) {
              try result.get()
              let answer = try copy.withTypedBytes { bytes throws(AofError) in
                try self.writeBack(bytes, at: offset, writeback, of: log)
              }
              answer.start(whenDone: whenDone)
            } catch {
              whenDone(.failure(error))
            }
          }
        })
    }
  }

  /// A write past the page cache: first the log has to hold what the page cache has of the bytes before it.
  func writeBehindPageCache(
    _ bytes: UnsafeRawBufferPointer, to handle: LogHandle, at offset: UInt64, _ flags: OpenFlags, by task: TaskID,
    _ writeback: WritebackHandle
  ) throws(AofError) -> WriteAnswer {
    try writeback.check()
    guard offset > handle.aof.tailLSN.rawValue else { return try append(bytes, to: handle, at: offset, flags, by: task) }
    let copy = Array(bytes)
    return .later(
      Deferred(isInterruptible: false) { [self] whenDone in
        writeback.log.reach(offset) { failure in
          do throws(AofError) {
            if let failure { throw failure }
            let answer = try copy.withTypedBytes { bytes throws(AofError) in
              try self.append(bytes, to: handle, at: offset, flags, by: task)
            }
            answer.start(whenDone: whenDone)
          } catch {
            whenDone(.failure(error))
          }
        }
      })
  }

  /// The answer to a READ past the tail while bytes are held that the kernel takes for written, or has just sent for this
  /// READ; nil if there are none.
  func readHeld(
    _ handle: LogHandle, _ range: Range<UInt64>, _ fillsCache: Bool, _ writeback: WritebackHandle
  ) throws(AofError) -> ReadAnswer? {
    try writeback.check()
    guard let firstHeld = writeback.log.firstHeld else { return nil }
    let tail = handle.aof.tailLSN.rawValue
    guard range.upperBound > tail else { return nil }
    guard range.lowerBound >= firstHeld || !fillsCache else {
      // The kernel holds no page there, so nothing is on its way; and it waits for this READ before it drops any.
      guard tail < firstHeld else { return nil }
      throw AofError(.localFailure, "nobody wrote what log \(handle.aof.id) should hold from LSN \(tail) on")
    }
    return .later(
      Deferred(isInterruptible: false) { [self] whenDone in
        writeback.log.reachHeld { failure in
          let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: range.count, alignment: 16)
          defer { buffer.deallocate() }
          do throws(AofError) {
            if let failure { throw failure }
            switch try self.readLog(handle, range, into: buffer, fillsCache) {
            case .read(let count):
              whenDone(.success(BorrowedBytes(buffer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))))
            case .later(let work): work.start(whenDone: whenDone)
            }
          } catch {
            whenDone(.failure(error))
          }
        }
      })
  }

  /// Calls `body` when all that the kernel has sent is in the log.
  func afterHeld(
    _ writeback: WritebackHandle, _ body: @escaping @Sendable (@escaping @Sendable (Result<Void, AofError>) -> Void) -> Void
  ) -> Deferred<Void> {
    Deferred(isInterruptible: false) { whenDone in
      writeback.log.reachHeld { failure in
        do throws(AofError) {
          if let failure { throw failure }
          try writeback.check()
          body(whenDone)
        } catch {
          whenDone(.failure(error))
        }
      }
    }
  }
}

extension FileSystem {
  /// Whether writes of a handle may be gathered: only where none can go elsewhere than to the end, and nobody waits for each.
  func mayGather(_ flags: OpenFlags, _ log: Aof) -> Bool {
    let marks = log.watermarks
    let page = UInt64(options.pageSize)
    // The kernel reads the page of the tail as a whole before it adds to it.
    let isWhole = marks.head.rawValue % page == 0 || marks.head.rawValue / page < marks.tail.rawValue / page
    return flags.appends && !flags.canRead && !flags.syncsEachWrite && !flags.isDirect && isWhole
  }

  /// The generation of a node to tell with a LOOKUP: which incarnation of a log's inode is meant. To be called before its
  /// attributes are looked at, so that the size is not older.
  func announce(_ record: NodeRecord) throws(AofError) -> UInt32 {
    guard options.gathersWrites, record.kind == .log else { return 0 }
    return try writeback(of: manager.log(record.id))?.announce() ?? 0
  }
}

extension Aof {
  /// As ``fetch(_:whenDone:)``, and goes on in a queue, where there is one.
  func fetch(_ range: Range<LSN>, on queue: WorkQueue?, whenDone: @escaping @Sendable (Result<Void, AofError>) -> Void) {
    fetch(range) { result in
      if queue?.add({ whenDone(result) }) != true { whenDone(result) }
    }
  }
}

extension WriteAnswer {
  /// Calls `whenDone` once, now or later.
  func start(whenDone: @escaping @Sendable (Result<Int, AofError>) -> Void) {
    switch self {
    case .wrote(let count): whenDone(.success(count))
    case .later(let work): work.start(whenDone: whenDone)
    }
  }
}
