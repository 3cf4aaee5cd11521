import AOFCore
import AOFFileSystem
import CFuse3
import Glibc

func onLookup(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
  guard let call = Call(request, "lookup") else { return }
  call.found { files, task throws(AofError) in
    try files.lookUp(nameBytes(name), in: NodeID(rawValue: parent), for: task)
  }
}

func onForget(_ request: fuse_req_t?, _ node: fuse_ino_t, _ count: UInt64) {
  guard let call = Call(request, "forget") else { return }
  call.files.forget(NodeID(rawValue: node), count: count)
  call.none()
}

func onForgetMany(_ request: fuse_req_t?, _ count: Int, _ nodes: UnsafeMutablePointer<fuse_forget_data>?) {
  guard let call = Call(request, "forget") else { return }
  for node in UnsafeBufferPointer(start: nodes, count: count) {
    call.files.forget(NodeID(rawValue: node.ino), count: node.nlookup)
  }
  call.none()
}

func onGetAttributes(_ request: fuse_req_t?, _ node: fuse_ino_t, _ file: UnsafeMutablePointer<fuse_file_info>?) {
  guard let call = Call(request, "getattr") else { return }
  call.attributes { files, task throws(AofError) in try files.getattr(NodeID(rawValue: node), for: task) }
}

func onSetAttributes(
  _ request: fuse_req_t?, _ node: fuse_ino_t, _ status: UnsafeMutablePointer<stat>?, _ mask: Int32,
  _ file: UnsafeMutablePointer<fuse_file_info>?
) {
  guard let call = Call(request, "setattr") else { return }
  let change = status.map { AttributeChange($0.pointee, mask: mask) } ?? AttributeChange()
  call.attributes { files, _ throws(AofError) in .now(try files.setattr(NodeID(rawValue: node), change)) }
}

func onStatFS(_ request: fuse_req_t?, _ node: fuse_ino_t) {
  guard let call = Call(request, "statfs") else { return }
  call.disk { files throws(AofError) in try files.statfs() }
}

func onMakeDirectory(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ mode: mode_t) {
  guard let call = Call(request, "mkdir") else { return }
  call.entry { files, caller throws(AofError) in
    try files.mkdir(nameBytes(name), in: NodeID(rawValue: parent), permissions: mode, caller: caller)
  }
}

func onRemoveDirectory(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
  guard let call = Call(request, "rmdir") else { return }
  call.done { files throws(AofError) in try files.rmdir(nameBytes(name), in: NodeID(rawValue: parent)) }
}

func onUnlink(_ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
  guard let call = Call(request, "unlink") else { return }
  call.done { files throws(AofError) in try files.unlink(nameBytes(name), in: NodeID(rawValue: parent)) }
}

func onRename(
  _ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ newParent: fuse_ino_t,
  _ newName: UnsafePointer<CChar>?, _ flags: UInt32
) {
  guard let call = Call(request, "rename") else { return }
  call.done { files throws(AofError) in
    try files.rename(
      nameBytes(name), in: NodeID(rawValue: parent), to: nameBytes(newName), in: NodeID(rawValue: newParent),
      flags: RenameFlags(rawValue: flags))
  }
}

func onLink(
  _ request: fuse_req_t?, _ node: fuse_ino_t, _ newParent: fuse_ino_t, _ newName: UnsafePointer<CChar>?
) {
  guard let call = Call(request, "link") else { return }
  call.done { files throws(AofError) in try files.refuseLink() }
}

func onSymlink(
  _ request: fuse_req_t?, _ target: UnsafePointer<CChar>?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?
) {
  guard let call = Call(request, "symlink") else { return }
  call.done { files throws(AofError) in try files.refuseLink() }
}

func onMakeNode(
  _ request: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ mode: mode_t, _ device: dev_t
) {
  guard let call = Call(request, "mknod") else { return }
  call.done { files throws(AofError) in try files.refuseLink() }
}
