// library-bench [--size N] [--count N] [--sync never|end|each] [--writers N] [--shared] STORE: appends to new logs of a new store
// through the library, and prints one line of JSON, as `driver append` does for files.

import AOF
import Glibc

func fail(_ message: String, status: Int32) -> Never {
  _ = "\(message)\n".withCString { write(2, $0, strlen($0)) }
  exit(status)
}

let words = CommandLine.arguments.dropFirst()
guard let store = words.last, let work = Work(words.dropLast()) else {
  fail("usage: library-bench [--size N] [--count N] [--sync never|end|each] [--writers N] [--shared] STORE", status: 64)
}
do {
  let manager = try AofManager.open(store)
  print(try work.run(in: manager).json)
  try manager.close()
} catch {
  fail("library-bench: \(error)", status: 74)
}
