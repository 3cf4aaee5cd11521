@testable import AOFFileSystem

/// The kernel of a mount and its programs, as far as they see the end of one log, in steps of chance: writers
/// under the inode's lock, GETATTRs, cached READs, and the notifications, each in the pieces between which
/// others may run. The file system's side is ``TailPage``.
struct KernelModel {
  /// A page is filled by READs and holds bytes of the log up to `filled`, and zeros behind.
  struct Page { var filled: UInt64 }

  struct Write {
    var task: TaskID
    /// A write(2) becomes one or two WRITEs, and the size is stored at its end alone.
    var piecesLeft: Int
    /// The tail before and after the WRITE that is not decided on.
    var undecided: Range<UInt64>?
    var isDecided = false
    var isAnswered = false
  }

  struct Question {
    var task: TaskID
    var version: Int
    /// What the answer must not fall below: the appends that had returned when it was asked.
    var least: UInt64
    var answer: UInt64?
  }

  struct Read {
    var page: UInt64
    var version: Int
    var isNoted = false
    var data: UInt64?
  }

  enum Notice {
    case invalidate(from: UInt64, TailPage.Append, push: SizeNews?)
    case push(SizeNews)
    case drop(from: UInt64, SizeNews)
    /// A GETATTR that waits, and what it pushes.
    case answer(UInt64, SizeNews?, Question)
  }

  static let pageSize: UInt64 = 4096
  /// Whether GETATTR answers with sizes that are news wait until those were pushed.
  let pushes: Bool

  var random: SplitMix
  var file = TailPage(pageSize: KernelModel.pageSize)
  var tail: UInt64 = 0

  var size: UInt64 = 0
  var version = 0
  var pages: [UInt64: Page] = [:]
  var write: Write?
  /// The end of what write(2) returned for.
  var returned: UInt64 = 0
  var questions: [Question] = []
  /// Sizes that were stored, and behind which the pages are still to be zeroed, and by whom.
  var truncations: [(end: UInt64, task: TaskID)] = []
  var reads: [Read] = []
  var notices: [Notice] = []

  /// What a program can see and must not.
  private(set) var faults: [String] = []

  init(seed: UInt64, pushes: Bool) {
    random = SplitMix(state: seed)
    self.pushes = pushes
  }

  mutating func run(steps: Int) {
    for _ in 0..<steps where faults.isEmpty {
      step()
      for (number, page) in pages where page.filled < min(size, (number + 1) * Self.pageSize) {
        faults.append("page \(number) holds zeros from \(page.filled) on, below the size \(size)")
      }
      if size > tail { faults.append("size \(size) is past the tail \(tail)") }
      if size < returned { faults.append("size \(size) is below \(returned), which was written") }
    }
  }

  private mutating func step() {
    switch random.next() % 9 {
    case 0, 1: stepWrite()
    case 2: ask()
    case 3: answer()
    case 4: take()
    case 5: truncate()
    case 6: startRead()
    case 7: stepRead()
    default: notify()
    }
  }

  private mutating func chance(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }

  private func isLocked(_ isConcerned: (UInt64) -> Bool) -> Bool { reads.contains { isConcerned($0.page) } }

  // MARK: Writers

  private mutating func stepWrite() {
    guard var current = write else {
      let task = TaskID(rawValue: Int32(1 + chance(2)))
      if !isAsking(task) { write = Write(task: task, piecesLeft: 1 + chance(2)) }
      return
    }
    if current.isAnswered {
      if current.piecesLeft == 0 {
        version += 1
        size = max(size, tail)
        returned = tail
        write = nil
        return
      }
      current.isAnswered = false
      current.isDecided = false
    }
    if let range = current.undecided {
      current.undecided = nil
      let append = TailPage.Append(range: range, lastByte: 1, task: current.task)
      switch file.didAppend(append) {
      case .reply: current.isAnswered = true
      case .invalidate(let from): notices.append(.invalidate(from: from, append, push: nil))
      case .invalidateAndPush(let from, let news): notices.append(.invalidate(from: from, append, push: news))
      }
      current.isDecided = true
    } else if !current.isDecided {
      file.willAppend(tail: tail)
      let lengths: [UInt64] = [1, 7, 300, 4095, 4096, 4097, Self.pageSize - tail % Self.pageSize + 1]
      let end = tail + lengths[chance(lengths.count)]
      current.undecided = tail..<end
      current.piecesLeft -= 1
      tail = end
    }
    write = current
  }

  // MARK: Sizes

  /// Whether the task is in stat(2). A task does one thing at a time.
  private func isAsking(_ task: TaskID) -> Bool {
    questions.contains { $0.task == task } || truncations.contains { $0.task == task }
      || notices.contains { if case .answer(_, _, let question) = $0 { question.task == task } else { false } }
  }

  private mutating func ask() {
    let task = TaskID(rawValue: Int32(1 + chance(6)))
    guard write?.task != task, !isAsking(task) else { return }
    questions.append(Question(task: task, version: version, least: returned))
  }

  private mutating func answer() {
    guard let index = questions.indices.first(where: { questions[$0].answer == nil }) else { return }
    switch file.size(tail: tail, for: questions[index].task) {
    case .news(let news) where pushes: notices.append(.answer(news.size, news, questions.remove(at: index)))
    case .pushed(let size) where pushes: notices.append(.answer(size, nil, questions.remove(at: index)))
    case let told: reply(told.value, to: questions.remove(at: index))
    }
  }

  private mutating func reply(_ told: UInt64, to question: Question) {
    if told < question.least { faults.append("told \(told) after \(question.least) was written") }
    var question = question
    question.answer = told
    questions.append(question)
  }

  private mutating func take() {
    let answered = questions.indices.filter { questions[$0].answer != nil }
    guard !answered.isEmpty else { return }
    let question = questions.remove(at: answered[chance(answered.count)])
    guard let told = question.answer, version <= question.version else { return }
    version += 1
    if size != told { truncations.append((told, question.task)) }
    size = told
  }

  private mutating func truncate() {
    guard !truncations.isEmpty else { return }
    let index = chance(truncations.count)
    let end = truncations[index].end
    guard !isLocked({ $0 >= end / Self.pageSize }) else { return }
    truncations.remove(at: index)
    pages = pages.filter { $0.key * Self.pageSize < end }
    if let page = pages[end / Self.pageSize] {
      pages[end / Self.pageSize] = Page(filled: min(page.filled, end))
    }
  }

  // MARK: Pages

  private mutating func startRead() {
    let last = tail / Self.pageSize
    let page = last - min(last, UInt64(chance(3)))
    guard reads.count < 3, pages[page] == nil, !isLocked({ $0 == page }), size > page * Self.pageSize else { return }
    reads.append(Read(page: page, version: version))
  }

  private mutating func stepRead() {
    guard !reads.isEmpty else { return }
    let index = chance(reads.count)
    let read = reads[index]
    if let data = read.data {
      reads.remove(at: index)
      pages[read.page] = Page(filled: data)
      if data < (read.page + 1) * Self.pageSize, data < size, version <= read.version {
        version += 1
        size = data
      }
    } else if read.isNoted {
      reads[index].data = tail
    } else {
      file.willRead(upTo: (read.page + 1) * Self.pageSize, tail: tail)
      reads[index].isNoted = true
    }
  }

  // MARK: Notifications

  private mutating func notify() {
    guard let notice = notices.first else { return }
    switch notice {
    case .invalidate(let from, let append, let news):
      guard invalidate(from: from) else { return }
      file.didInvalidate(append)
      if let news {
        notices[0] = .push(news)
        return
      }
      write?.isAnswered = true
    case .push(let news):
      guard push(news) else { return }
      notices[0] = .drop(from: news.size - 1, news)
      return
    case .drop(let from, let news):
      guard invalidate(from: from) else { return }
      file.didStore(news)
      write?.isAnswered = true
    case .answer(let told, let news, let question):
      if let news {
        guard push(news) else { return }
        file.didStore(news)
      }
      reply(told, to: question)
      if size < told { faults.append("\(told) is told, and not stored") }
    }
    notices.removeFirst()
  }

  /// False if the kernel waits for a READ.
  private mutating func invalidate(from offset: UInt64) -> Bool {
    guard !isLocked({ $0 >= offset / Self.pageSize }) else { return false }
    version += 1
    pages = pages.filter { $0.key < offset / Self.pageSize }
    return true
  }

  /// False if the kernel waits for a READ of the page; the size is stored by then.
  private mutating func push(_ news: SizeNews) -> Bool {
    if news.size > size {
      version += 1
      size = news.size
    }
    let offset = news.size - 1
    guard !isLocked({ $0 == offset / Self.pageSize }) else { return false }
    if pages[offset / Self.pageSize] == nil, offset % Self.pageSize == 0, size == news.size {
      // Filled from its begin to the end of the file, the kernel believes.
      pages[offset / Self.pageSize] = Page(filled: news.size)
    }
    return true
  }
}
