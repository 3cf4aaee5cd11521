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
      guard !fromPageCache else {
        throw AofError(.notPermitted, "a page of a mapping was written", remedy: "append with write(2)")
      }
      return try append(bytes, to: handle, at: offset, flags, by: task)
    case .command(let handle): return execute(bytes, on: handle)
    case .text: throw AofError(.notPermitted, "this control file is only for reading")
    case .directory: throw AofError(.isADirectory, "a directory takes no bytes")
    }
  }

  private func append(
    _ bytes: UnsafeRawBufferPointer, to handle: LogHandle, at offset: UInt64, _ flags: OpenFlags, by task: TaskID
  ) throws(AofError) -> WriteAnswer {
    guard let lastByte = bytes.last else { return .wrote(0) }
    let range = try appendedRange(bytes, to: handle, at: offset, flags)
    // The bytes are in the log whatever becomes of the sync, so readers must learn of them in either case.
    var failure: AofError?
    if flags.syncsEachWrite {
      do throws(AofError) { try handle.aof.sync() } catch { failure = error }
    }
    let append = TailPage.Append(
      range: range.lowerBound.rawValue..<range.upperBound.rawValue, lastByte: lastByte, task: task,
      isExpected: range.lowerBound.rawValue == offset)
    let result: Result<Int, AofError> = failure.map { .failure($0) } ?? .success(bytes.count)
    let coherence = handle.coherence
    switch coherence.didAppend(append) {
    case .reply: return .wrote(try result.get())
    case .invalidate(let from):
      let notices: [TailNotice] = [.invalidate(from: from), .call { coherence.didInvalidate(append) }]
      return .later(telling(handle, notices, then: result))
    case .invalidateAndPush(let from, let news):
      let notices: [TailNotice] = [
        .invalidate(from: from), .call { coherence.didInvalidate(append) },
        .push(news), .invalidate(from: news.size - 1), .call { coherence.didStore(news) },
      ]
      return .later(telling(handle, notices, then: result))
    }
  }

  /// Appends, and returns where the bytes went. From here until the kernel is told, it gets the size before.
  private func appendedRange(
    _ bytes: UnsafeRawBufferPointer, to handle: LogHandle, at offset: UInt64, _ flags: OpenFlags
  ) throws(AofError) -> Range<LSN> {
    handle.coherence.willAppend(tail: handle.aof.watermarks.tail)
    do throws(AofError) {
      var start = LSN(rawValue: offset)
      if flags.appends {
        start = try handle.aof.append(bytes)
      } else {
        guard start <= .max else { throw AofError(.notAtTail, "offset \(offset) is past the tail") }
        try handle.aof.append(bytes, at: start)
      }
      return start..<start + bytes.count
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
