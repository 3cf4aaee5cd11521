import AOFSystem
import Testing

@Suite struct HookTests {
  /// As often as a daemon may in months: a function that is wrapped by each call overflows the stack long before.
  @Test func aHookIsCalledAsOftenAsOneLikes() throws {
    let (hook, pairs) = (Hook<Int>(), Hook<(Int, Int)>())
    hook(1)
    let sum = Lock(0)
    hook.set { number in sum.withLock { $0 += number } }
    pairs.set { first, second in sum.withLock { $0 += first * second } }
    for _ in 0..<300_000 {
      hook(1)
      pairs((1, 2))
    }
    #expect(sum.withLock { $0 } == 900_000)
    hook.set { _ in }
    hook(1)
    #expect(sum.withLock { $0 } == 900_000)
  }
}
