/// Metrics -> text in the Prometheus exposition format, version 0.0.4.
///
/// Each family is written once, with its HELP and TYPE before its samples. Label values come from fixed lists, never
/// from the names of logs, so that their number stays bounded.
package struct MetricsText: Sendable {
  package enum Kind: String, Sendable { case counter, gauge }

  /// What HTTP calls the format.
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  package private(set) var text = ""

  package init() {}

  /// A family with one sample without labels.
  package mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: UInt64) {
    begin(name, kind.rawValue, help)
    text += "\(name) \(value)\n"
  }

  /// As above, for what is no whole number.
  package mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
    begin(name, kind.rawValue, help)
    text += "\(name) \(Self.number(value))\n"
  }

  /// A family with a sample for each value of one label.
  package mutating func add(
    _ name: String, _ kind: Kind, _ help: String, label: String, _ samples: [(value: String, count: UInt64)]
  ) {
    begin(name, kind.rawValue, help)
    for sample in samples { text += "\(name){\(label)=\"\(Self.escaped(sample.value))\"} \(sample.count)\n" }
  }

  /// A family with one sample of 1, whose labels are what there is to know.
  package mutating func addInfo(_ name: String, _ help: String, _ labels: [(name: String, value: String)]) {
    begin(name, Kind.gauge.rawValue, help)
    let labels = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
    text += "\(name){\(labels)} 1\n"
  }

  /// A histogram of seconds. `counts` has one more element than `bounds`: what lies above all of them.
  package mutating func add(_ name: String, _ help: String, bounds: [Double], counts: [UInt64], sum: Double) {
    begin(name, "histogram", help)
    var total: UInt64 = 0
    for (bound, count) in zip(bounds, counts) {
      total += count
      text += "\(name)_bucket{le=\"\(Self.number(bound))\"} \(total)\n"
    }
    total += counts.dropFirst(bounds.count).reduce(0, +)
    text += "\(name)_bucket{le=\"+Inf\"} \(total)\n\(name)_sum \(Self.number(sum))\n\(name)_count \(total)\n"
  }

  private mutating func begin(_ name: String, _ kind: String, _ help: String) {
    let help = help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
  }

  private static func escaped(_ value: String) -> String {
    // Scalar by scalar: a carriage return and a newline are one character.
    var escaped = String.UnicodeScalarView()
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\n": escaped.append(contentsOf: "\\n".unicodeScalars)
      case "\\", "\"": escaped.append(contentsOf: ["\\", scalar])
      default: escaped.append(scalar)
      }
    }
    return String(escaped)
  }

  /// Whole numbers without a fraction.
  private static func number(_ value: Double) -> String {
    value == value.rounded() && value.magnitude < 1e15 ? "\(Int64(value))" : "\(value)"
  }
}
