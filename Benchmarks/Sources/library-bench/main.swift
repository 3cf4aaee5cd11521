// library-bench [--size N] [--count N] [--sync never|end|each] [--writers N] [--shared] STORE: appends to new logs of a new store
// through the library, and prints one line of JSON, as `driver append` does for files.

import AOF
import Glibc

let words = CommandLine.arguments.dropFirst()
guard let store = words.last, let work = Work(words.dropLast()) else {
  let usage = "usage: library-bench [--size N] [--count N] [--sync never|end|each] [--writers N] [--shared] STORE\n"
  _ = usage.withCString { write(2, $0, strlen($0)) }
  exit(64)
}
let manager = try AofManager.open(store)
print(try work.run(in: manager).json)
try manager.close()
