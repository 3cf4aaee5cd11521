import Glibc
import Testing

extension MountTests {
  @Suite("Control") struct ControlTests {
    @Test("§ctl-command: echo COMMAND > .ctl/command works from every shell", arguments: ["bash", "dash"])
    func shells(shell: String) throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(200_000))
        let command = mount[".ctl/command"]
        for line in ["echo seal > '\(command)'", "printf seal > '\(command)'", "echo 'seal log' >> '\(command)'"] {
          let result = try run([shell, "-c", line])
          #expect(result.status == 0, "\(line): \(result.errors)")
        }
        #expect(try mount.watermark("sealed", of: "log") == 200_000, "a seal is done when echo returns")
        #expect(try run([shell, "-c", "echo checkpoint > '\(command)'"]).status == 0)
        #expect(try mount.watermark("remote", of: "log") == 200_000)
        let bad = try run([shell, "-c", "echo frobnicate > '\(command)'"])
        #expect(bad.status != 0)
        #expect(!bad.errors.isEmpty)
        if shell == "bash" { #expect(bad.errors.contains("Invalid argument"), "\(bad.errors)") }
        #expect(try text(mount[".ctl/result"]).contains("frobnicate"), "dash loses the errno; the text says it")
      }
    }

    @Test("§ctl-errno: what a bad command gets")
    func errors() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(100))
        let rows = [
          ("frobnicate", "EINVAL"), ("frobnicate log", "EINVAL"), ("seal absent", "ENOENT"),
          ("evict absent", "ENOENT"), ("seal log more words", "EINVAL"), ("seal \"unclosed", "EINVAL"),
          ("trim log 101\n", "EINVAL"), ("truncate log 101\n", "EINVAL"), ("trim log 10\n", "ok"),
          ("truncate log 100\n", "ok"), ("trim absent 1\n", "ENOENT"), ("seal log", "ok"),
          ("seal \"log\"", "ok"), ("seal \"\\154og\"", "ok"), ("help", "ok"), ("checkpoint", "ok"),
          ("evict log", "ok"), ("hydrate log", "ok"), ("hydrate log 0-50", "ok"), ("verify log", "ok"),
        ]
        for (command, expected) in rows {
          let (result, answer) = try mount.control(command)
          #expect(result == expected, "\(command): \(answer)")
          if expected != "ok" { #expect(!answer.isEmpty, "\(command) says nothing") }
          #expect(try text(mount[".ctl/result"]) == answer, "\(command)")
        }
        #expect(try contents(mount["log"]) == pattern(100))
      }
    }

    @Test("§ctl-answer: the answer is read back on the handle that asked")
    func answers() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(100))
        let first = try mount.open(".ctl/command", O_RDWR)
        let second = try mount.open(".ctl/command", O_RDWR)
        #expect(outcome { try first.write("seal log") } == "ok")
        #expect(outcome { try second.write("nonsense") } == "EINVAL")
        let answer = String(decoding: try first.read(4096, at: 0), as: UTF8.self)
        #expect(answer.contains("log"))
        #expect(!answer.contains("nonsense"))
        #expect(String(decoding: try second.read(4096, at: 0), as: UTF8.self).contains("nonsense"))
        // Each write is a command of its own, at whatever offset.
        #expect(outcome { try first.write("nonsense") } == "EINVAL")
        #expect(outcome { try first.pwrite(Array("seal".utf8), at: 9000) } == "ok")
        #expect(outcome { try first.truncate(0) } == "ok")
      }
    }

    @Test("half a number does not act: trim and truncate need their newline")
    func unfinished() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(100))
        for verb in ["trim", "truncate"] {
          _ = try mount.control("\(verb) log 5")
          #expect(try contents(mount["log"]) == pattern(100))
        }
      }
    }

    @Test("§ctl-command: of a message that the kernel cuts into several requests nothing is done", arguments: [0, 16])
    func overLong(misalignment: Int) throws {
      try withMount { mount in
        let padding = String(repeating: "\n", count: (1 << 20) - misalignment - "create one\ncreate big".count)
        let message = Array("create one\n\(padding)create bigname-123456\n\(String(repeating: "\n", count: 100_000))frob\n".utf8)
        let pages = UnsafeMutableRawBufferPointer.allocate(byteCount: message.count + misalignment, alignment: 4096)
        defer { pages.deallocate() }
        let buffer = UnsafeMutableRawBufferPointer(rebasing: pages[misalignment...])
        buffer.copyBytes(from: message)
        let handle = try mount.open(".ctl/command", O_RDWR)
        #expect(outcome { try check(write(handle.fd, buffer.baseAddress, buffer.count)) } == "EINVAL")
        #expect(String(decoding: try handle.read(4096, at: 0), as: UTF8.self).contains("too long"))
        #expect(try names(in: mount.point).isEmpty)
        #expect(try mount.control("create cut").outcome == "EINVAL")
        #expect(try names(in: mount.point).isEmpty)
      }
    }

    @Test("several commands in one write are tried in order; the errno is the first failure's")
    func several() throws {
      try withMount { mount in
        try mount.makeLog("a", pattern(1000))
        try mount.makeLog("b", pattern(2000))
        #expect(try mount.control("seal a\nseal b\n").outcome == "ok")
        #expect(try mount.watermark("sealed", of: "a") == 1000)
        #expect(try mount.watermark("sealed", of: "b") == 2000)
      }
    }

    @Test("create makes a log with a chunk size of its own")
    func create() throws {
      try withMount { mount in
        #expect(try mount.control("create big chunk_size=1MiB\n").outcome == "ok")
        try mount.makeLog("small", [1])
        #expect(try mount.control("create big chunk_size=1MiB\n").outcome == "EEXIST")
        #expect(try mount.control("create odd chunk_size=100000\n").outcome == "EINVAL")
        #expect(try mount.control("create tiny chunk_size=64KiB\n").outcome == "EINVAL")
        #expect(outcome { try status(mount["odd"]) } == "ENOENT")
        #expect(try status(mount["big"]).st_size == 0)
      }
    }

    @Test("§ctl-logs: five watermarks, chunks, status and command for each log, and they are in order")
    func logs() throws {
      try withMount { mount in
        try check(mkdir(mount["d"], 0o755))
        try mount.makeLog("d/log", pattern(300_000))
        func marks() throws -> [Int] {
          try ["head", "remote", "sealed", "durable", "tail"].compactMap { try mount.watermark($0, of: "d/log") }
        }
        let before = try marks()
        #expect(before.count == 5 && before.last == 300_000 && before.first == 0)
        #expect(before == before.sorted())
        #expect(try mount.control("seal", at: ".ctl/logs/d/log/command").outcome == "ok")
        #expect(Array(try marks().dropFirst(2)) == [300_000, 300_000, 300_000])
        #expect(try mount.control("checkpoint", at: ".ctl/logs/d/log/command").outcome == "ok")
        #expect(try marks() == [0, 300_000, 300_000, 300_000, 300_000])
        try mount.appender("d/log").write([1])
        #expect(try marks().last == 300_001)
        for name in ["status", "chunks"] {
          #expect(!(try text(mount[".ctl/logs/d/log/\(name)"])).isEmpty)
        }
        #expect(outcome { try status(mount[".ctl/logs/absent/tail_lsn"]) } == "ENOENT")
        #expect(outcome { try mount.open(".ctl/logs/d/log/tail_lsn", O_WRONLY) } == "EACCES" || geteuid() == 0)
        #expect(try text(mount[".ctl/status"]).contains("d/log"))
      }
    }

    @Test("§ctl-metrics: metrics in the text format of Prometheus, and the command that prints them")
    func metrics() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(1000))
        let metrics = try text(mount[".ctl/metrics"])
        #expect(metrics.contains("\n# TYPE aofs_append_bytes_total counter\naofs_append_bytes_total 1000\n"))
        let printed = try run([aofs, "metrics", mount.point])
        #expect(printed.status == 0 && printed.output.contains("aofs_append_bytes_total 1000\n"))
        #expect(outcome { try mount.open(".ctl/metrics", O_WRONLY) } != "ok")
      }
    }

    @Test("§ctl-metrics: --metrics-mode lets others read the metrics and nothing else")
    func metricsMode() throws {
      try withMount(MountFixture.smallChunks + ["--metrics-mode", "0444"]) { mount in
        let metrics = try status(mount[".ctl/metrics"])
        #expect(metrics.st_mode & 0o7777 == 0o444)
        #expect(try status(mount[".ctl"]).st_mode & 0o7777 == 0o711)
        if geteuid() == 0 {
          let reader = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "cat"]
          #expect(try run(["chmod", "711", mount.folder.path]).status == 0)
          #expect(try run(reader + [mount[".ctl/metrics"]]).output.contains("aofs_logs"))
          for file in ["status", "events", "result"] { #expect(try run(reader + [mount[".ctl/\(file)"]]).status != 0) }
          #expect(try run(["setpriv", "--reuid", "65534", "--clear-groups", "ls", mount[".ctl"]]).status != 0)
        }
      }
    }

    @Test("§ctl-events: one line of JSON for each thing that happens, to every reader, and poll(2) tells of it")
    func events() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(1000))
        let reader = try mount.open(".ctl/events", O_RDONLY | O_NONBLOCK)
        func take() throws -> String {
          var text = ""
          while true {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = read(reader.fd, &buffer, buffer.count)
            if count <= 0 { return text }
            text += String(decoding: buffer.prefix(count), as: UTF8.self)
          }
        }
        // It is told once the mount answers, which is perhaps a moment later.
        var entry = pollfd(fd: reader.fd, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 60_000) == 1)
        #expect(try take().contains("\"event\":\"mount\""))
        #expect(outcome { try check(read(reader.fd, nil, 0)) } == "ok")
        #expect(poll(&entry, 1, 0) == 0, "there is nothing to read")
        let asking = try Subprocess(
          ["bash", "-c", "echo checkpoint > '\(mount[".ctl/command"])'"], outputTo: mount.folder.path)
        #expect(poll(&entry, 1, 60_000) == 1 && entry.revents & Int16(POLLIN) != 0)
        #expect(try asking.wait().status == 0)
        let lines = try take()
        for event in ["seal", "checkpoint"] { #expect(lines.contains("\"event\":\"\(event)\""), "\(lines)") }
        // What waits in a read is answered at the end of the mount, and does not hold it.
        let waiting = try Subprocess(["cat", mount[".ctl/events"]], outputTo: mount.folder.path)
        try waitUntil("cat has opened the events") {
          (try? run(["readlink", "/proc/\(waiting.pid)/fd/3"]).output.contains("events")) == true
        }
        mount.process?.signal(SIGTERM)
        #expect(try waiting.wait().status == 0)
        try reader.close()
        #expect(try mount.awaitEnd().status == 0)
      }
    }

    @Test("§ctl-command: a program that a signal makes write its command again has it carried out once")
    func interruptedCommand() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(9000))
        let program = """
          import os,sys
          file=os.open(sys.argv[1],os.O_RDWR)
          # Goes on with the same bytes after EINTR.
          os.write(file,b'truncate log 8192\\nwait log durable=8292 timeout=100\\n')
          sys.stdout.buffer.write(os.read(file,4096))
          """
        let asking = try Subprocess(["python3", "-c", program, mount[".ctl/command"]], outputTo: mount.folder.path)
        func isWaiting() -> Bool { (try? text(mount[".ctl/status"]).contains("wait log durable=8292")) == true }
        try waitUntil("the command waits", isWaiting)
        let writer = try mount.appender("log")
        try writer.write(pattern(50, from: 8192))
        try stopAndContinue(asking)
        try writer.write(pattern(50, from: 8242))
        try writer.sync()
        let result = try asking.wait()
        #expect(result.status == 0 && result.output.contains("LSN 8292 is durable"), "\(result.errors)")
        #expect(try contents(mount["log"]) == pattern(8292))
      }
    }

    @Test("§ctl-wait: a signal ends the wait of the command line, and it sends no command again")
    func interruptedCommandLine() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(9000))
        let asking = try Subprocess([aofs, "wait", "--durable", "9000", mount["log"]], outputTo: mount.folder.path)
        func waits() throws -> Int { try text(mount[".ctl/status"]).components(separatedBy: "wait log durable=9000").count - 1 }
        try waitUntil("the command waits") { (try? waits()) == 1 }
        try stopAndContinue(asking)
        let result = try asking.wait()
        #expect(result.status == 75 && result.errors.contains(".ctl/status"), "\(result.errors)")
        #expect(try waits() == 1)
        try mount.appender("log").sync()
      }
    }

    /// As a shell does at ^Z and fg.
    private func stopAndContinue(_ process: Subprocess) throws {
      process.signal(SIGSTOP)
      try waitUntil("the program is stopped") {
        (try? text("/proc/\(process.pid)/status").contains("State:\tT")) == true
      }
      process.signal(SIGCONT)
    }

    @Test("§ctl-events: what comes after a signal has ended a read is there for the next one")
    func interruptedEvents() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(1000))
        let program = """
          import fcntl,json,os,signal,sys
          file=os.open(sys.argv[1]+'/events',os.O_RDONLY)
          text=b''
          while text.count(b'\\n')<1: text+=os.read(file,65536)
          class Stop(Exception): pass
          def stop(*_): raise Stop
          signal.signal(signal.SIGALRM,stop)
          signal.setitimer(signal.ITIMER_REAL,0.2,0.2)
          try:
            while True: text+=os.read(file,65536)
          except Stop: signal.setitimer(signal.ITIMER_REAL,0)
          with open(sys.argv[1]+'/command','w') as command: command.write('seal log\\n')
          with open(sys.argv[1]+'/command','w') as command: command.write('checkpoint\\n')
          while b'"event":"checkpoint"' not in text: text+=os.read(file,65536)
          numbers=[json.loads(line)['seq'] for line in text.splitlines()]
          if numbers!=list(range(len(numbers))): sys.exit(text.decode())
          """
        let result = try run(["python3", "-c", program, mount[".ctl"]])
        #expect(result.status == 0, "\(result.errors)")
      }
    }

    @Test("§ctl-wait: wait returns when the watermark is there, and holds nobody up")
    func wait() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(1000))
        #expect(try mount.control("wait log durable=1000 timeout=0\n").outcome == "ETIMEDOUT")
        #expect(try mount.control("wait log durable=1000").outcome == "EINVAL", "half a number must not act")
        let waiting = try (0..<20).map { _ in
          try Subprocess([aofs, "wait", "--remote", "1000", "--timeout", "120", mount["log"]], outputTo: mount.folder.path)
        }
        try waitUntil("all wait") {
          (try? text(mount[".ctl/status"]))?.components(separatedBy: "wait log remote=1000").count == 21
        }
        #expect(try mount.control("checkpoint").outcome == "ok")
        for process in waiting { #expect(try process.wait().status == 0) }
        #expect(try run([aofs, "wait", "--remote", "1001", "--timeout", "0", mount["log"]]).status == 75)
      }
    }

    @Test("§ctl-status: why a log takes no appends, and what is under way, is in the status")
    func statusTells() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(1000))
        let waiting = try Subprocess([aofs, "wait", "--durable", "1000", mount["log"]], outputTo: mount.folder.path)
        try waitUntil("the wait is in the status") { (try? text(mount[".ctl/status"]).contains("wait log durable=1000")) == true }
        #expect(try text(mount[".ctl/status.json"]).contains("\"command\" : \"wait log durable=1000\""))
        try mount.appender("log").sync()
        #expect(try waiting.wait().status == 0)
        #expect(!(try text(mount[".ctl/status"]).contains("under way")))
      }
    }

    @Test("§ctl-hidden: .ctl is reached by name and not listed")
    func hidden() throws {
      try withMount { mount in
        try mount.makeLog("log", pattern(10))
        #expect(try names(in: mount.point) == [Array("log".utf8)])
        let directory = try status(mount[".ctl"])
        #expect(directory.st_mode & S_IFMT == S_IFDIR)
        #expect(directory.st_mode & 0o7777 == 0o700)
        #expect(try status(mount[".ctl/command"]).st_mode & 0o7777 == 0o600)
        #expect(try status(mount[".ctl/status"]).st_mode & 0o7777 == 0o400)
        #expect(directory.st_uid == geteuid())
        for attempt in [
          outcome { try mount.open(".ctl/new", O_WRONLY | O_CREAT) }, outcome { try check(mkdir(mount[".ctl/d"], 0o700)) },
          outcome { try check(unlink(mount[".ctl/command"])) }, outcome { try check(rmdir(mount[".ctl"])) },
          outcome { try check(rename(mount["log"], mount[".ctl/log"])) },
          outcome { try check(rename(mount[".ctl"], mount["ctl"])) },
          outcome { try check(mkdir(mount[".ctl"], 0o700)) },
        ] {
          #expect(["EPERM", "EACCES", "EEXIST", "EBUSY", "EXDEV"].contains(attempt), "\(attempt)")
        }
        // What walks the mount sees logs, and copies them.
        let copy = mount.folder.path + "/copy"
        #expect(try run(["cp", "-r", mount.point, copy]).status == 0)
        #expect(try names(in: copy) == [Array("log".utf8)])
      }
    }
  }
}
