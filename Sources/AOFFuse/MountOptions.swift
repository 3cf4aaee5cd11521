import AOFCore
import AOFFileSystem

/// How to mount.
package struct MountOptions: Sendable {
  package var mountPoint: String
  /// What /proc/mounts shows as the source, e.g. `aofs:/srv/logs`.
  package var source: String
  /// Whether other users may use the mount.
  package var allowOther = false
  /// Whether the kernel checks permissions. Off only where nobody else can use the mount.
  package var defaultPermissions = true
  package var readOnly = false
  /// Whether the mount point may hold files, which are out of sight while it is mounted.
  package var mayHideFiles = false
  /// The most threads that answer requests. An fsync blocks one for as long as the disk takes.
  package var maxWorkers = 64
  /// More options for the kernel or fusermount3, e.g. `noexec`.
  package var kernelOptions: [String] = []

  package init(mountPoint: String, source: String) {
    self.mountPoint = mountPoint
    self.source = source
  }

  /// The value of `-o`. Commas and backslashes in values are escaped, as libfuse reads them.
  var optionText: String {
    var options = ["fsname=" + Self.escaped(source), "subtype=aofs", "nosuid", "nodev"]
    if allowOther { options.append("allow_other") }
    if defaultPermissions { options.append("default_permissions") }
    if readOnly { options.append("ro") }
    return (options + kernelOptions.map(Self.escaped)).joined(separator: ",")
  }

  private static func escaped(_ text: String) -> String {
    // Scalar by scalar: a comma with a mark on it is no comma to a string, and two bytes to libfuse.
    var escaped = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if scalar == "\\" || scalar == "," { escaped.append("\\") }
      escaped.append(scalar)
    }
    return String(escaped)
  }
}
