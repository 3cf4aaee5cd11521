/// A function that somebody else sets, to be told of something; any thread may call it.
///
/// In a ``Lock`` or another generic place a function must not be stored as it is: each access takes it out in one form and
/// puts it back in another, which wraps it twice more each time, until a call overflows the stack. Within a structure it keeps its
/// form.
package final class Hook<Argument>: Sendable {
  private struct Action {
    let run: @Sendable (Argument) -> Void
  }

  private let action = Lock<Action?>(nil)

  package init() {}

  /// `run` is called from now on, in the place of what was set before.
  package func set(_ run: @escaping @Sendable (Argument) -> Void) { action.withLock { $0 = Action(run: run) } }

  /// Does nothing as long as nothing is set. No lock is held meanwhile.
  package func callAsFunction(_ argument: Argument) { action.withLock { $0 }?.run(argument) }
}
