import ArgumentParser

struct AofsCommand: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "aofs",
    abstract: "A filesystem for logs: appended like files, kept for good in a remote.",
    discussion: """
      LOG is a path under a mount, or STORE:NAME in a store that is not mounted. Sizes are whole numbers \
      with B, K or KiB, M or MiB, G or GiB, all binary. An LSN is a byte offset in a log.
      """,
    version: "aofs \(version)",
    subcommands: [
      MountCommand.self, CreateCommand.self, ListCommand.self, StatusCommand.self, CatCommand.self,
      AppendCommand.self, SealCommand.self, CheckpointCommand.self, EvictCommand.self, HydrateCommand.self,
      VerifyCommand.self, ObjectsCommand.self, TrimCommand.self, TruncateCommand.self, TrashCommand.self,
      WaitCommand.self, MetricsCommand.self, RecoverCommand.self, UpgradeCommand.self,
    ])

  /// What `aofs` alone answers.
  static let shortHelp = """
    usage: aofs mount STORE MOUNTPOINT [options]
           aofs create | ls | status | cat | append LOG
           aofs seal | checkpoint | evict | hydrate | verify | objects LOG
           aofs trim | truncate LOG LSN
           aofs trash ls | restore | purge STORE
           aofs wait LOG --durable | --remote LSN
           aofs metrics MOUNTPOINT
           aofs recover | upgrade STORE
           aofs COMMAND --help      what a command does, and its options

    LOG is a path under a mount, or STORE:NAME in a store that is not mounted.

    """
}
