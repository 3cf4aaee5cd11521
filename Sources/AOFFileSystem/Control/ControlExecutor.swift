import AOFCore
import AOFEngine

/// Runs the commands of the control files.
package final class ControlExecutor: Sendable {
  package init(manager: AofManager, residentTail: Int, whenEvicted: @escaping @Sendable (LogID) -> Void) {}

  package func execute(_ bytes: [UInt8], defaultLog: LogID?) -> ControlAnswer {
    ControlAnswer(text: "", error: AofError(.unsupported, "no commands yet"))
  }

  package func statusText() -> String { "" }
  package func statusJSON() -> String { "{}" }
  package func logStatusText(_ id: LogID) -> String { "" }
  package func chunksTable(_ id: LogID) -> String { "" }
  package func lastResult() -> String { "" }
}

package struct ControlAnswer: Sendable {
  package let text: String
  package let error: AofError?
}
