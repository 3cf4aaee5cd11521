import AOFCore
import AOFFileSystem
import CFuse3

func onGetExtended(_ request: fuse_req_t?, _ node: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ size: Int) {
  guard let call = Call(request, "getxattr") else { return }
  call.attribute(limit: size) { files throws(AofError) in
    try files.getxattr(NodeID(rawValue: node), nameBytes(name))
  }
}

func onListExtended(_ request: fuse_req_t?, _ node: fuse_ino_t, _ size: Int) {
  guard let call = Call(request, "listxattr") else { return }
  call.attribute(limit: size) { files throws(AofError) in try files.listxattr(NodeID(rawValue: node)) }
}

func onSetExtended(
  _ request: fuse_req_t?, _ node: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?,
  _ size: Int, _ flags: Int32
) {
  guard let call = Call(request, "setxattr") else { return }
  call.done { files throws(AofError) in try files.changeAttribute(NodeID(rawValue: node), nameBytes(name)) }
}

func onRemoveExtended(_ request: fuse_req_t?, _ node: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
  guard let call = Call(request, "removexattr") else { return }
  call.done { files throws(AofError) in try files.changeAttribute(NodeID(rawValue: node), nameBytes(name)) }
}

extension Call {
  consuming func attribute(limit: Int, _ body: (FileSystem) throws(AofError) -> [UInt8]) {
    let value: [UInt8]
    do throws(AofError) { value = try body(context.files) } catch { return fail(error) }
    reply.attribute(value, limit: limit)
  }
}
