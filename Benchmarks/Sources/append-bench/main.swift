// append-bench PLAIN MOUNT STORE ROUNDS [WORDS]: appends to files in PLAIN (an ordinary filesystem), to files in MOUNT (a mount
// whose store lies on the same filesystem) and to logs of STORE (through the library), in turn, ROUNDS times. Prints a
// Markdown table of medians over the rounds, and of the ratio to the plain filesystem round by round. WORDS picks the
// rows with these words in their name.

import AOF
import Glibc

/// How a sample is summed up, and whether more is better.
enum Figure {
  case medianLatency, rate, throughput

  func of(_ sample: Sample) -> Double {
    switch self {
    case .medianLatency: sample.latency(0.5) * 1e6
    case .rate: sample.rate
    case .throughput: sample.throughput / 1e6
    }
  }

  var unit: String {
    switch self {
    case .medianLatency: "us p50"
    case .rate: "/s"
    case .throughput: "MB/s"
    }
  }
}

struct Row {
  let name: String
  let work: Work
  let figure: Figure
  /// Whether the log side is the library rather than the mount.
  var isLibrary = false
}

let rows = [
  Row(name: "128 B + fdatasync, 1 writer", work: Work(size: 128, count: 1500, sync: .each), figure: .medianLatency),
  Row(name: "128 B, O_DSYNC, 1 writer", work: Work(size: 128, count: 1500, sync: .oDsync), figure: .medianLatency),
  Row(
    name: "128 B + fdatasync, 16 writers, 16 logs", work: Work(size: 128, count: 300, sync: .each, writers: 16),
    figure: .rate),
  Row(
    name: "128 B + fdatasync, 16 writers, 1 log",
    work: Work(size: 128, count: 150, sync: .each, writers: 16, isShared: true), figure: .rate),
  Row(name: "128 B, no sync", work: Work(size: 128, count: 50_000, sync: .never), figure: .rate),
  Row(name: "128 KiB, final fdatasync", work: Work(size: 128 << 10, count: 1500, sync: .atTheEnd), figure: .throughput),
  Row(name: "1 MiB, final fdatasync", work: Work(size: 1 << 20, count: 200, sync: .atTheEnd), figure: .throughput),
  Row(
    name: "library: 128 B + sync, 16 threads, 16 logs", work: Work(size: 128, count: 300, sync: .each, writers: 16),
    figure: .rate, isLibrary: true),
  Row(
    name: "library: 128 B + sync, 16 threads, 1 log",
    work: Work(size: 128, count: 300, sync: .each, writers: 16, isShared: true), figure: .rate, isLibrary: true),
  Row(
    name: "library: 128 B, no sync", work: Work(size: 128, count: 200_000, sync: .never), figure: .rate,
    isLibrary: true),
]

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func text(_ value: Double) -> String {
  let digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  let scale = pow(10, Double(digits))
  let rounded = (value * scale).rounded() / scale
  return digits == 0 ? String(Int(rounded)) : String(rounded)
}

let arguments = CommandLine.arguments
guard (5...6).contains(arguments.count), let rounds = Int(arguments[4]), rounds > 0 else {
  let usage = "usage: append-bench PLAIN MOUNT STORE ROUNDS [WORDS]\n"
  _ = usage.withCString { write(2, $0, strlen($0)) }
  exit(64)
}
let manager = try AofManager.open(arguments[3])
print("| work | plain filesystem | aofs | aofs / plain: median (lowest, highest) |\n|---|---|---|---|")
for (number, row) in rows.enumerated() where arguments.count < 6 || row.name.contains(arguments[5]) {
  var plain: [Double] = []
  var logs: [Double] = []
  for round in 0..<rounds {
    let run = number * rounds + round
    plain.append(row.figure.of(try row.work.run(inDirectory: arguments[1], run: run)))
    logs.append(
      row.figure.of(
        row.isLibrary
          ? try row.work.run(inStore: manager, run: run) : try row.work.run(inDirectory: arguments[2], run: run)))
  }
  let ratios = zip(logs, plain).map { $0 / $1 }
  print(
    "| \(row.name) | \(text(median(plain))) \(row.figure.unit) | \(text(median(logs))) \(row.figure.unit) "
      + "| \(text(median(ratios))) (\(text(ratios.min() ?? 0)), \(text(ratios.max() ?? 0))) |")
}
try manager.close()
