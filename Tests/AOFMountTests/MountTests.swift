import Testing

/// Real system calls on real mounts. A `§` and an id in a title name the row of docs/SEMANTICS.md that it tests.
@Suite("Mount", .enabled(if: canMount, "no /dev/fuse: real mounts are not tested"))
struct MountTests {}
