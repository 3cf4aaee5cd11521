import CExpat

/// An XML document of S3: elements with text or elements in them. Attributes and name spaces say nothing there.
///
/// Read with expat. Foundation's parser ends the process on some documents that are not well-formed, and a server can
/// send any.
package struct S3Document: Sendable {
  package let name: String
  package fileprivate(set) var text = ""
  package fileprivate(set) var children: [S3Document] = []

  /// No document of S3 is nested deeper; what is counts as none.
  package static let deepest = 16

  fileprivate init(name: String) { self.name = name }

  /// Nil if the bytes are no whole document, or one with declarations, which S3 never sends.
  package init?(parsing bytes: [UInt8]) {
    guard let parser = XML_ParserCreate(nil), let length = Int32(exactly: bytes.count) else { return nil }
    defer { XML_ParserFree(parser) }
    let builder = DocumentBuilder(parser)
    XML_SetUserData(parser, Unmanaged.passUnretained(builder).toOpaque())
    XML_SetElementHandler(
      parser,
      { context, name, _ in DocumentBuilder.of(context)?.start(name) },
      { context, _ in DocumentBuilder.of(context)?.end() })
    XML_SetCharacterDataHandler(parser) { context, text, count in
      DocumentBuilder.of(context)?.add(UnsafeRawBufferPointer(start: text, count: Int(count)))
    }
    // Declared entities can make a small document a large one.
    XML_SetStartDoctypeDeclHandler(parser) { context, _, _, _, _ in DocumentBuilder.of(context)?.stop() }
    let status = withExtendedLifetime(builder) {
      bytes.withUnsafeBytes { XML_Parse(parser, $0.bindMemory(to: CChar.self).baseAddress, length, 1) }
    }
    guard status == XML_STATUS_OK, let root = builder.root else { return nil }
    self = root
  }

  /// The text of the first element of that name.
  package subscript(name: String) -> String? { children.first { $0.name == name }?.text }

  package func all(_ name: String) -> some Sequence<S3Document> { children.lazy.filter { $0.name == name } }
}

/// What expat finds, put together. Lives as long as the call that parses.
private final class DocumentBuilder {
  private(set) var root: S3Document?
  private var open: [S3Document] = []
  private let parser: XML_Parser

  init(_ parser: XML_Parser) { self.parser = parser }

  static func of(_ context: UnsafeMutableRawPointer?) -> DocumentBuilder? {
    context.map { Unmanaged<DocumentBuilder>.fromOpaque($0).takeUnretainedValue() }
  }

  func start(_ name: UnsafePointer<CChar>?) {
    guard let name, open.count < S3Document.deepest else { return stop() }
    // A prefix, as in `s3:Key`, is a server's whim.
    let text = String(cString: name)
    open.append(S3Document(name: text.split(separator: ":").last.map(String.init) ?? text))
  }

  func add(_ bytes: UnsafeRawBufferPointer) {
    guard !open.isEmpty else { return }
    open[open.count - 1].text += String(decoding: bytes, as: UTF8.self)
  }

  func end() {
    guard let element = open.popLast() else { return }
    if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
  }

  func stop() { XML_StopParser(parser, 0) }
}
