// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that nobody builds it who only wants aofs. `Benchmarks/run.sh` builds and runs it.
let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "aofs", path: "..")],
  targets: [
    .executableTarget(
      name: "library-bench", dependencies: [.product(name: "AOF", package: "aofs")],
      cSettings: [.define("_GNU_SOURCE")], swiftSettings: [.treatAllWarnings(as: .error)])
  ]
)
