/// Everything that the engine takes from the outside world besides the remote: what a simulation replaces.
package struct Environment: Sendable {
  package let disk: any Disk
  package let clock: any WallClock
  /// 64 random bits; for nonces and names, never for secrets.
  package let random: @Sendable () -> UInt64

  package init(disk: any Disk, clock: any WallClock, random: @escaping @Sendable () -> UInt64) {
    self.disk = disk
    self.clock = clock
    self.random = random
  }

  /// This machine.
  package static let system = Environment(
    disk: SystemDisk(), clock: SystemClock(), random: { UInt64.random(in: .min ... .max) })
}
