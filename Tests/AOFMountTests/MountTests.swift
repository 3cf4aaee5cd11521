import Testing

/// Real system calls on real mounts. A title's `§id` names the row of docs/SEMANTICS.md that it tests.
@Suite("Mount", .enabled(if: canMount, "no /dev/fuse: real mounts are not tested"))
struct MountTests {}
