// swift-tools-version: 6.2
import PackageDescription
import class Foundation.ProcessInfo

// The modules form layers, and imports go one way: each target lists what it may import, and
// Tests/RepositoryTests holds the sources to the same table.

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// Glibc hides O_DIRECT, SEEK_HOLE, fallocate and statx from Swift unless the Swift target itself
/// defines _GNU_SOURCE for the importer.
let gnuSource: [CSetting] = [.define("_GNU_SOURCE")]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, cSettings: gnuSource, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, cSettings: gnuSource, swiftSettings: strict)
}

/// libFuzzer brings a `main` of its own and wants everything instrumented, so its program exists only for
/// Tests/fuzz.sh.
let fuzzer: [Target] =
  ProcessInfo.processInfo.environment["AOFS_FUZZ"] == nil
  ? []
  : [
    .executableTarget(
      name: "AOFFuzzer", dependencies: ["AOFFuzzing"], path: "Tests/AOFFuzzer",
      swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])])
  ]

let package = Package(
  name: "aofs",
  products: [
    .library(name: "AOF", targets: ["AOF"]),
    .executable(name: "aofs", targets: ["aofs"]),
    .executable(name: "aof-integration", targets: ["aof-integration"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // C, each imported by exactly one Swift module.
    .systemLibrary(
      name: "CFuse3", pkgConfig: "fuse3",
      providers: [.apt(["libfuse3-dev"])]),
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd",
      providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(
      name: "CCurl", pkgConfig: "libcurl",
      providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(
      name: "CExpat", pkgConfig: "expat",
      providers: [.apt(["libexpat1-dev"])]),
    .systemLibrary(
      name: "CCrypto", pkgConfig: "libcrypto",
      providers: [.apt(["libssl-dev"])]),
    .target(name: "CAofsShims", cSettings: gnuSource),

    // Vocabulary.
    module("AOFCore", []),

    // Services that know nothing of each other.
    module("AOFSystem", ["AOFCore", "CAofsShims"]),
    module("AOFFormat", ["AOFCore", "AOFSystem"]),
    module("AOFCompression", ["AOFCore", "AOFSystem", "CZstd"]),
    module("AOFManifest", ["AOFCore", "AOFSystem", "AOFFormat", grdb]),
    module("AOFRemote", ["AOFCore", "AOFSystem", "AOFFormat"]),
    module("AOFRemoteS3", ["AOFCore", "AOFSystem", "AOFRemote", "CCurl", "CCrypto", "CExpat"]),
    module("AOFControl", ["AOFCore"]),

    // The engine, and the library product that re-exports what its users need.
    module(
      "AOFEngine",
      [
        "AOFCore", "AOFSystem", "AOFFormat", "AOFCompression", "AOFManifest", "AOFRemote", "AOFRemoteS3",
        logging,
      ]),
    module("AOF", ["AOFCore", "AOFRemote", "AOFManifest", "AOFEngine"]),

    // The filesystem: semantics, then the adapter to libfuse, then the command.
    module("AOFFileSystem", ["AOFCore", "AOFSystem", "AOFManifest", "AOFEngine", "AOFControl", logging]),
    module("AOFFuse", ["AOFCore", "AOFSystem", "AOFFileSystem", "CFuse3", logging]),
    .executableTarget(
      name: "aofs",
      dependencies: [
        "AOFCore", "AOFSystem", "AOFRemote", "AOFEngine", "AOFControl", "AOFFileSystem", "AOFFuse", logging,
        argumentParser,
      ],
      cSettings: gnuSource, swiftSettings: strict),
    .executableTarget(
      name: "aof-integration", dependencies: ["AOF"], swiftSettings: strict),

    // Tests, one target for each module and one for each way of testing the whole.
    tests("AOFCompressionTests", ["AOFCore", "AOFCompression"]),
    tests("AOFCoreTests", ["AOFCore"]),
    tests("AOFSystemTests", ["AOFCore", "AOFSystem"]),
    tests("AOFFormatTests", ["AOFCore", "AOFSystem", "AOFFormat"]),
    tests("AOFManifestTests", ["AOFCore", "AOFFormat", "AOFManifest", grdb]),
    tests(
      "AOFRemoteTests",
      ["AOFCore", "AOFSystem", "AOFFormat", "AOFCompression", "AOFRemote", "AOFRemoteConformance"]),
    tests("AOFRemoteS3Tests", ["AOFCore", "AOFSystem", "AOFFormat", "AOFRemote", "AOFRemoteS3", "AOFRemoteConformance"]),
    .target(
      name: "AOFRemoteConformance", dependencies: ["AOFCore", "AOFSystem", "AOFRemote"],
      path: "Tests/AOFRemoteConformance", swiftSettings: strict),
    // The rules of the repository itself, and real mounts of the built command: neither imports a module.
    tests("RepositoryTests", []),
    .target(name: "CTestShims", path: "Tests/CTestShims", cSettings: gnuSource),
    tests("AOFMountTests", ["CTestShims"]),
    tests(
      "AOFEngineTests",
      ["AOFCore", "AOFSystem", "AOFFormat", "AOFEngine", "AOFManifest", "AOFRemote", "aof-integration", grdb]),
    tests(
      "AOFSimulationTests",
      ["AOFCore", "AOFSystem", "AOFFormat", "AOFManifest", "AOFRemote", "AOFEngine", grdb, logging]),
    tests("AOFControlTests", ["AOFCore", "AOFControl"]),
    tests("AofsCommandTests", ["AOFCore", "AOFSystem", "AOFControl", "aofs", logging]),
    tests("AOFFileSystemTests", ["AOFCore", "AOFSystem", "AOFManifest", "AOFEngine", "AOFFileSystem"]),
    .target(
      name: "AOFFuzzing",
      dependencies: [
        "AOFCore", "AOFSystem", "AOFFormat", "AOFCompression", "AOFControl", "AOFEngine", "AOFRemote", "AOFRemoteS3",
      ],
      path: "Tests/AOFFuzzing", exclude: ["Corpus"], swiftSettings: strict),
    tests("AOFFuzzTests", ["AOFFuzzing"]),
  ] + fuzzer
)
