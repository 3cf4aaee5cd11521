import AOFCore
import Glibc

/// Waits until a file may have grown.
///
/// inotify tells of writes through the same mount at once; for all others the wait ends after a second, as
/// `tail -f` does it.
package final class GrowthWatch: Sendable {
  private let descriptor: Int32

  /// A file that inotify cannot watch is looked at once a second.
  package init(_ path: String) {
    let descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
    if descriptor >= 0 { inotify_add_watch(descriptor, path, UInt32(IN_MODIFY)) }
    self.descriptor = descriptor
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Waits for a change, at most `milliseconds`.
  package func wait(atMost milliseconds: Int32 = 1000) {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&entry, 1, milliseconds) > 0 else { return }
    // What changed does not matter; the events are taken so that the next wait waits.
    var events = [UInt8](repeating: 0, count: 4096)
    while read(descriptor, &events, events.count) > 0 {}
  }
}
