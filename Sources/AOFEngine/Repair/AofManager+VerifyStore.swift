import AOFCore
import AOFManifest
import AOFRemote
import AOFSystem

extension AofManager {
  /// Checks a store that is not open: the manifest's structure and rows, the WAL before it is recovered, every frame on
  /// the local disk, files that nothing names, and if asked the remote. Changes nothing, unless it is to repair.
  ///
  /// A repair does only what can lose nothing: it brings frames back that the remote holds, corrects what the manifest
  /// says of their place, and removes files that hold nothing. What it overwrites is kept in the store's `evidence`.
  /// - Returns: what is damaged; after a repair, what is damaged still.
  /// - Throws: `notFound`, `notAStore`, `newerVersion`; `locked` for a store that is in use; local failures and
  ///   `remoteFailure`, when it cannot go on.
  public static func verify(_ path: String, _ options: VerifyOptions = VerifyOptions()) throws(AofError) -> StoreReport {
    try verify(path, options, environment: .system, remote: nil)
  }

  /// As the above, on another disk or clock, or with another remote in the place of the one that is named.
  package static func verify(
    _ path: String, _ options: VerifyOptions, environment: Environment, remote: (any RemoteStore)? = nil
  ) throws(AofError) -> StoreReport {
    let layout = StoreLayout(root: try PathFacts.absolute(path))
    guard environment.disk.exists(layout.root) else {
      throw AofError(.notFound, "there is no store \(layout.root)")
    }
    let lock =
      options.repair
      ? try StoreLock.acquire(layout, mountPoint: nil, disk: environment.disk)
      : try StoreLock.acquireForReading(layout, disk: environment.disk)
    defer { lock?.release() }
    var first = StoreVerification(layout, options, environment, remote: remote)
    try first.run()
    guard options.repair, !first.remedies.isEmpty else { return first.report }
    let manifest = try Manifest.open(layout.manifest)
    var repair = try StoreRepair(layout, environment, manifest, remote: remote)
    do throws(AofError) {
      try repair.run(first.remedies)
      try manifest.close()
    } catch {
      try? manifest.close()
      throw error
    }
    var second = StoreVerification(layout, options, environment, remote: remote)
    try second.run()
    var report = second.report
    report.repaired = repair.repaired
    report.left = repair.left
    return report
  }

  /// Checks what no single log has for itself: the manifest's structure and names, and with `remote` the remote's chain.
  /// No transaction of the open store waits for it.
  /// - Returns: one line for each problem.
  /// - Throws: what kept it from going on.
  package func verifyStore(remote: Bool) throws(AofError) -> [String] {
    var problems = try ManifestCheck(services.manifest.path).run() ?? []
    problems += services.manifest.survey().problems
    guard remote, try services.manifest.remoteSequence() > 0 else { return problems }
    let chain = try RemoteManifestStore(services.checkpointer.remote, storeID: settings.storeID, create: false)
    return problems + (try chain.survey().problems)
  }
}
