import AOFCore
import AOFSystem
import Testing

@testable import aofs

private let table = MountTable(
  parsing: Array(
    """
    22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
    80 22 0:45 / /mnt/logs rw,nosuid,nodev shared:2 master:1 - fuse.aofs /srv/store rw,user_id=0
    81 80 0:46 / /mnt/logs/deep rw - tmpfs tmpfs rw
    82 22 0:45 /nginx /srv/web rw - fuse.aofs /srv/store rw
    83 22 0:47 / /mnt/a\\040b\\134c\\011 rw - fuse.aofs /srv/x\\040y rw
    84 22 0:48 / /mnt/logs2 rw - fuse.other /srv/z rw
    85 22 0:49 /sub /srv/part rw - fuse.aofs /srv/gone rw
    garbage
    86 22 0:50 / /short rw -

    """.utf8))

@Suite struct MountTableTests {
  @Test func linesAreTakenApart() {
    #expect(
      table.entries.map(\.mountPoint) == [
        "/", "/mnt/logs", "/mnt/logs/deep", "/srv/web", "/mnt/a b\\c\t", "/mnt/logs2", "/srv/part",
      ])
    #expect(table.entries[4].source == "/srv/x y")
    #expect(table.entries[1].device == "0:45")
    #expect(table.entries[3].root == "/nginx")
  }

  @Test(arguments: [
    ("/mnt/logs", "/mnt/logs"), ("/mnt/logs/a", "/mnt/logs"), ("/mnt/logs/deep/a", "/mnt/logs/deep"),
    ("/mnt/logsx", "/"), ("/mnt/logs2/a", "/mnt/logs2"), ("/", "/"),
  ])
  func theLongestMountPointCounts(_ path: String, _ mountPoint: String) {
    #expect(table.entry(showing: path)?.mountPoint == mountPoint)
  }

  /// To the kernel names are bytes: an accent that is written in two ways names two directories.
  @Test func namesThatLookAlikeAreNotTheSame() throws {
    let (composed, decomposed) = ("/mnt/\u{e9}", "/mnt/e\u{301}")
    let table = MountTable(
      parsing: Array(
        "22 1 254:0 / \(composed) rw - fuse.aofs /srv/a rw\n23 1 254:1 / \(decomposed) rw - fuse.aofs /srv/b rw\n".utf8))
    #expect(table.entry(at: composed)?.source == "/srv/a")
    #expect(table.entry(at: decomposed)?.source == "/srv/b")
    #expect(table.entry(showing: composed + "/x")?.source == "/srv/a")
    // A log whose name begins with a mark lies below the mount point all the same.
    #expect(table.entry(showing: composed + "/\u{301}x")?.source == "/srv/a")
    let target = try Target.mounted(composed + "/\u{301}x", in: table)
    #expect(target == .mounted(MountedStore(mountPoint: composed), try LogPath("\u{301}x")))
    #expect(!MountTable.contains("/mnt/e", decomposed))
    #expect(try FileFacts.resolved("/tmp/none-such/\u{301}x").utf8.elementsEqual("/tmp/none-such/\u{301}x".utf8))
  }

  @Test func theRealTableHasARoot() throws {
    #expect(try MountTable.current().entry(showing: "/")?.mountPoint == "/")
  }

  @Test func pathsUnderAMountAreItsLogs() throws {
    let store = MountedStore(mountPoint: "/mnt/logs")
    #expect(try Target.mounted("/mnt/logs", in: table) == .mounted(store, LogPath(names: [])))
    #expect(try Target.mounted("/mnt/logs/a/b:c", in: table) == .mounted(store, try LogPath("a/b:c")))
    #expect(
      try Target.mounted("/srv/web/access.log", in: table) == .mounted(store, try LogPath("nginx/access.log"))
    )
    #expect(try Target.mounted("/mnt/logs/deep/a", in: table) == nil)
    #expect(try Target.mounted("/mnt/logs2/a", in: table) == nil)
    #expect(try Target.mounted("/tmp", in: table) == nil)
    #expect(throws: AofError.self) { try Target.mounted("/srv/part/a", in: table) }
  }

  @Test func storesAndNamesMayHoldColons() throws {
    let directories: Set<String> = ["/s", "/s:t", "store"]
    func target(_ text: String, mayCreate: Bool = false) throws(AofError) -> Target {
      try Target.unmounted(text, mayCreateStore: mayCreate) { directories.contains($0) }
    }
    #expect(try target("/s") == .store("/s", nil))
    #expect(try target("/s:") == .store("/s", nil))
    #expect(try target("/s:a/b") == .store("/s", try LogPath("a/b")))
    #expect(try target("/s:t:x") == .store("/s", try LogPath("t:x")))
    #expect(try target("store:x") == .store("store", try LogPath("x")))
    #expect(try target("/new:x", mayCreate: true) == .store("/new", try LogPath("x")))
    for text in ["/new:x", "/none", ":x", ":"] {
      let error = try #require(throws: AofError.self) { try target(text) }
      #expect(error.code == .notFound && !error.remedy.isEmpty)
    }
    #expect(throws: AofError.self) { try target("/s:../x") }
  }

  @Test func whatIsMountedIsNotMountedOver() throws {
    #expect(throws: AofError.self) { try MountPointCheck.refuseMounted("/mnt/logs", table) }
    #expect(throws: AofError.self) { try MountPointCheck.refuseMounted("/mnt/logs2", table) }
    try MountPointCheck.refuseMounted("/mnt/log", table)
  }

  @Test func storeAndMountPointLieApart() throws {
    for (place, store) in [("/a", "/a"), ("/a", "/a/b"), ("/a/b", "/a")] {
      #expect(throws: AofError.self) { try MountPointCheck.refuseNesting(place, store) }
    }
    try MountPointCheck.refuseNesting("/a/b", "/a/bc")
  }
}
