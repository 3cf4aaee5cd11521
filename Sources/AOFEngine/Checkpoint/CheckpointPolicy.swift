import AOFCore

/// When a store checkpoints by itself.
public struct CheckpointPolicy: Hashable, Sendable {
  /// How often logs with at least ``minimumNews`` are checkpointed.
  public var interval: Duration
  /// How old the oldest news of any other log may get.
  public var maximumAge: Duration
  /// What a log must have that the remote lacks to be checkpointed with each ``interval``. Smaller objects cost as much
  /// to store a request for.
  public var minimumNews: ByteCount

  /// By default each minute for 1 MiB of news, and after 15 minutes for any.
  public init(
    interval: Duration = .seconds(60), maximumAge: Duration = .seconds(15 * 60), minimumNews: ByteCount = .mebibytes(1)
  ) {
    self.interval = interval
    self.maximumAge = maximumAge
    self.minimumNews = minimumNews
  }
}
