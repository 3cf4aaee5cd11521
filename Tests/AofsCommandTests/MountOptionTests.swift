import AOFControl
import AOFCore
import AOFSystem
import Glibc
import Logging
import Testing

@testable import aofs

@Suite struct MountOptionTests {
  private func settings(_ options: String..., isRoot: Bool = false) throws -> MountSettings {
    try MountSettings(
      store: "/tmp/store", mountPoint: "/tmp/mnt", options: MountOptionList(parsing: options), isRoot: isRoot)
  }

  @Test func everySettingHasItsForm() throws {
    let settings = try settings(
      "remote=dir:/tmp/r,chunk_size=1MiB,cache_size=2G,wal_dir=/tmp/w",
      "trash_age=36h,remote_grace=2d,nodelete,stop_timeout=500ms,log_level=debug,log_file=/tmp/l")
    #expect(settings.remote == "dir:/tmp/r")
    #expect(settings.chunkSize?.byteCount == .mebibytes(1))
    #expect(settings.cacheSize == .gibibytes(2))
    #expect(settings.trashAge?.seconds == 36 * 3600 && !settings.allowsDeletion)
    #expect(settings.remoteGrace == .seconds(2 * 86_400))
    #expect(settings.walDirectory == "/tmp/w")
    #expect(settings.stopTimeout == 500)
    #expect(settings.logLevel == .debug)
    #expect(settings.logFile == "/tmp/l")
    #expect(settings.kernelOptions.isEmpty && !settings.gathersWrites)
  }

  @Test(arguments: ["checkpoint_on_unmount=yes", "nodelete=", "ro=1"]) func switchesTakeNoValue(option: String) throws {
    let error = try #require(throws: AofError.self) { try settings(option) }
    #expect(error.code == .invalidArgument && error.message.contains("takes no value"))
  }

  @Test func nothingGivenIsAsTheStoreHasIt() throws {
    let settings = try settings()
    #expect(settings.remote == nil && settings.chunkSize == nil && settings.cacheSize == nil)
    #expect(settings.trashAge == nil && settings.allowsDeletion)
    #expect(settings.stopTimeout == MountSettings.defaultStopTimeout)
  }

  @Test func writebackReachesTheDaemon() throws {
    let settings = try settings("writeback")
    #expect(settings.gathersWrites && settings.kernelOptions.isEmpty)
    let daemon = try #require(try AofsCommand.parseAsRoot(settings.arguments) as? MountCommand)
    #expect(try daemon.settings().gathersWrites)
  }

  @Test func relativePathsAreMadeAbsolute() throws {
    let settings = try settings("remote=dir:not/there,wal_dir=also/not/there")
    #expect(settings.remote?.hasPrefix("dir:/") == true && settings.remote?.hasSuffix("/not/there") == true)
    #expect(settings.walDirectory?.hasPrefix("/") == true)
  }

  @Test func s3OptionsBecomeOneLocation() throws {
    let settings = try settings(
      "remote=s3://bucket/p,s3_endpoint=http://h:1/,s3_region=r,s3_path_style,s3_storage_class=C",
      "s3_sse=aws:kms:k,s3_ca_bundle=/not/there/ca.pem,s3_retry=5m")
    let expected = "s3://bucket/p?endpoint=http://h:1&region=r&addressing=path&storage_class=C&sse=aws:kms:k"
      + "&ca_bundle=/not/there/ca.pem&retry=5m"
    #expect(settings.remote == expected)
    let daemon = try #require(try AofsCommand.parseAsRoot(settings.arguments) as? MountCommand)
    #expect(try daemon.settings().remote == expected)
  }

  @Test func s3OptionsOfTheCommandLineAreTheSame() throws {
    let arguments = ["mount", "--remote", "s3://bucket", "--s3-virtual-host", "--s3-sse", "AES256", "/s", "/m"]
    let command = try #require(try AofsCommand.parseAsRoot(arguments) as? MountCommand)
    #expect(try command.settings().remote == "s3://bucket?addressing=virtual_host&sse=AES256")
  }

  @Test(arguments: [
    "s3_region=r", "s3_path_style", "remote=dir:/r,s3_region=r", "remote=s3://b", "remote=s3://bucket,s3_endpoint=host",
    "remote=s3://bucket,s3_path_style,s3_virtual_host", "remote=s3://bucket,s3_sse=none", "remote=s3://bucket,s3_path_style=no",
    "remote=s3://bucket?secret=1",
    "remote=s3://bucket,s3_retry=2h", "remote=s3://bucket,s3_retry=30",
  ])
  func impossibleS3OptionsAreRefused(_ option: String) throws {
    let error = try #require(throws: AofError.self) { try settings(option) }
    #expect(error.code == .invalidArgument && !error.remedy.isEmpty)
  }

  @Test func fstabsWordsAreTaken() throws {
    let list = try MountOptionList(parsing: [
      "defaults,rw,noauto,nofail,_netdev,user,x-systemd.automount,x-gvfs-name=a b,suid,dev,exec,comment=x",
      "noatime,ro,,noatime",
    ])
    #expect(list.settings.isEmpty)
    #expect(list.kernel == ["noatime", "ro"])
  }

  @Test(arguments: [
    "bogus", "nodelete=1", "trash_age", "chunksize=1M", "ro=1", "noatime=yes", "remote", "remote=", "chunk_size",
    "chunk_size=1M,chunk_size=2M",
    "fsname=x", "subtype=y", "Remote=dir:/x", "max_read=1",
  ])
  func unknownAndMalformedOptionsAreRefused(_ option: String) throws {
    let error = try #require(throws: AofError.self) { try MountOptionList(parsing: [option]) }
    #expect(error.code == .invalidArgument && !error.remedy.isEmpty)
  }

  @Test(arguments: [
    "chunk_size=100K", "chunk_size=3M", "chunk_size=64K", "chunk_size=8GiB", "chunk_size=-1",
    "cache_size=many",
    "remote=/tmp/r", "remote=s3:bucket", "remote=dir:", "stop_timeout=soon", "stop_timeout=-1s",
    "stop_timeout=99999999999999999999h", "log_level=loud",
  ])
  func impossibleValuesAreRefused(_ option: String) throws {
    let error = try #require(throws: AofError.self) { try settings(option) }
    #expect(error.code == .invalidArgument && !error.remedy.isEmpty)
  }

  @Test func aMountIsNotChanged() throws {
    let error = try #require(throws: AofError.self) { try MountOptionList(parsing: ["remount,ro"]) }
    #expect(error.code == .unsupported && error.remedy.contains("unmount"))
  }

  @Test func commasInValuesAreEscaped() throws {
    let list = try MountOptionList(parsing: [#"remote=dir:/a\,b,ro,wal_dir=/c\d"#])
    #expect(list.settings == [.remote: "dir:/a,b", .walDir: #"/c\d"#])
    #expect(list.kernel == ["ro"])
  }

  @Test func aLongOptionMayRepeatButNotContradict() throws {
    var list = try MountOptionList(parsing: ["chunk_size=1M"])
    try list.add(.chunkSize, "1M")
    try list.add(.cacheSize, nil)
    #expect(throws: AofError.self) { try list.add(.chunkSize, "2M") }
    #expect(list.settings == [.chunkSize: "1M"])
  }

  @Test func rootSharesTheMount() throws {
    #expect(try settings("ro", isRoot: true).kernelOptions == ["ro", "allow_other", "default_permissions"])
    #expect(
      try settings("allow_other", isRoot: true).kernelOptions == ["allow_other", "default_permissions"])
    #expect(try settings("ro").kernelOptions == ["ro"])
  }

  @Test func theDaemonGetsTheSameSettings() throws {
    let settings = try settings(
      #"remote=dir:/tmp/a\,b,chunk_size=1MiB,cache_size=3GiB,wal_dir=/tmp/w,stop_timeout=2m,log_level=trace,log_file=/tmp/l,ro"#
    )
    let command = try #require(try AofsCommand.parseAsRoot(settings.arguments) as? MountCommand)
    var expected = try command.settings()
    expected.kernelOptions.removeAll { ["allow_other", "default_permissions"].contains($0) }
    #expect(expected == settings)
  }

  @Test(arguments: [
    ("10s", 10_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000), ("7", 7000), ("0", 0),
  ])
  func timesAreRead(_ text: String, _ milliseconds: Int) throws {
    #expect(try Duration(parsing: text) == .milliseconds(milliseconds))
  }
}

@Suite struct ReadyReportTests {
  @Test func reportsComeBack() {
    let report = ReadyReport(exitCode: 75, message: "held by process 7\nsince noon")
    #expect(ReadyReport(parsing: report.bytes) == report)
    #expect(ReadyReport(parsing: ReadyReport.ready.bytes) == .ready)
  }

  /// The process that started the daemon reads to the end of the pipe: it must come with the report.
  @Test func theReportEndsThePipe() throws {
    let pipe = try Pipe.open()
    let descriptor = dup(pipe.writer.descriptor)
    let (reader, reporter) = (pipe.reader, ReadyReporter(descriptor: descriptor))
    #expect(reporter.report(.ready))
    #expect(!reporter.report(ReadyReport(exitCode: 1, message: "late")))
    #expect(fcntl(descriptor, F_GETFD) == -1)
    var first = [UInt8](repeating: 0, count: 16)
    let count = try first.withUnsafeMutableBytes { try reader.read(into: $0) }
    #expect(ReadyReport(parsing: Array(first.prefix(count))) == .ready)
  }

  @Test(arguments: ["", "7", "x\n", "\n"]) func halfAReportIsNone(_ text: String) {
    #expect(ReadyReport(parsing: Array(text.utf8)) == nil)
  }
}
