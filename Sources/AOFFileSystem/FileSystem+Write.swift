import AOFCore
import AOFEngine

/// What a WRITE comes to.
package enum WriteAnswer: Sendable {
  /// That many bytes were taken.
  case wrote(Int)
  case later(Deferred<Int>)
}

extension FileSystem {
  /// Appends, or runs a command. `flags` are the handle's at this moment: fcntl(2) may have changed them since
  /// it was opened; `task` is who writes.
  package func write(
    _ handle: HandleID, at offset: UInt64, _ bytes: UnsafeRawBufferPointer, flags: OpenFlags, fromPageCache: Bool,
    by task: TaskID = .unknown
  ) throws(AofError) -> WriteAnswer {
    switch try handles.handle(handle) {
    case .log(let handle):
      if let writeback = handle.writeback {
        guard !fromPageCache else { return try writeBack(bytes, at: offset, writeback, of: handle.aof) }
        return try writeBehindPageCache(bytes, to: handle, at: offset, flags, by: task, writeback)
      }
      guard !fromPageCache else {
        throw AofError(.notPermitted, "a page of a mapping was written", remedy: "append with write(2)")
      }
      return try append(bytes, to: handle, at: offset, flags, by: task)
    case .command(let handle): return execute(bytes, on: handle)
    case .text, .events: throw AofError(.notPermitted, "this control file is only for reading")
    case .directory: throw AofError(.isADirectory, "a directory takes no bytes")
    }
  }

  func append(
    _ bytes: UnsafeRawBufferPointer, to handle: LogHandle, at offset: UInt64, _ flags: OpenFlags, by task: TaskID
  ) throws(AofError) -> WriteAnswer {
    guard let lastByte = bytes.last else { return .wrote(0) }
    let (range, life) = try appendedRange(bytes, to: handle, at: offset, flags)
    let append = TailPage.Append(
      range: range.lowerBound.rawValue..<range.upperBound.rawValue, lastByte: lastByte, task: task,
      isExpected: range.lowerBound.rawValue == offset, life: life)
    guard flags.syncsEachWrite else {
      guard let notices = notices(of: append, to: handle) else { return .wrote(bytes.count) }
      return .later(telling(handle, notices, then: .success(bytes.count)))
    }
    let count = bytes.count
    return .later(
      Deferred(isInterruptible: false) { [self] whenDone in
        handle.aof.sync { failure in
          // The bytes are in the log whatever became of the sync, so readers must learn of them in either case.
          let result: Result<Int, AofError> = failure.map { .failure($0) } ?? .success(count)
          guard let notices = self.notices(of: append, to: handle) else { return whenDone(result) }
          self.telling(handle, notices, then: result).start(whenDone: whenDone)
        }
      })
  }

  /// What the kernel must be told of an append before it is answered; nil for nothing.
  private func notices(of append: TailPage.Append, to handle: LogHandle) -> [TailNotice]? {
    let coherence = handle.coherence
    switch coherence.didAppend(append) {
    case .reply: return nil
    case .invalidate(let from):
      return [.invalidate(from: from), .call { coherence.didInvalidate(append) }]
    case .invalidateAndPush(let from, let news):
      return [
        .invalidate(from: from), .call { coherence.didInvalidate(append) },
        .push(news), .invalidate(from: news.size - 1), .call { coherence.didStore(news) },
      ]
    }
  }

  /// Appends, and returns where the bytes went, and in which life of the log's end. From here until the kernel is told, it gets the size before.
  private func appendedRange(
    _ bytes: UnsafeRawBufferPointer, to handle: LogHandle, at offset: UInt64, _ flags: OpenFlags
  ) throws(AofError) -> (range: Range<LSN>, life: Int) {
    let life = handle.coherence.willAppend { handle.aof.watermarks.tail }
    do throws(AofError) {
      var start = LSN(rawValue: offset)
      // In writeback mode the kernel alone knows where the end is, and has put it into the offset.
      if flags.appends, handle.writeback == nil {
        start = try handle.aof.append(bytes)
      } else {
        guard start <= .max else { throw AofError(.notAtTail, "offset \(offset) is past the tail") }
        try handle.aof.append(bytes, at: start)
      }
      return (start..<start + bytes.count, life)
    } catch {
      handle.coherence.didNotAppend()
      throw error
    }
  }

  private func telling(
    _ handle: LogHandle, _ notices: [TailNotice], then result: Result<Int, AofError>
  ) -> Deferred<Int> {
    Deferred(isInterruptible: false) { [cache = options.kernelCache] whenDone in
      cache.tell(handle.aof.id, notices) { whenDone(result) }
    }
  }
}
