import Testing

@testable import AOFControl

@Suite struct MetricsTextTests {
  @Test func eachFamilyHasItsHelpAndTypeBeforeItsSamples() {
    var metrics = MetricsText()
    metrics.add("a_total", .counter, "One line\nor two \\.", 7 as UInt64)
    metrics.add("b_seconds", .gauge, "Time.", 0.25)
    metrics.add("c", .gauge, "By state.", label: "state", [("x", 1), ("a\"b\\c\nd", 2)])
    metrics.addInfo("d_info", "What it is.", [("store", "/srv/a b"), ("id", "7")])
    #expect(
      metrics.text == """
        # HELP a_total One line\\nor two \\\\.
        # TYPE a_total counter
        a_total 7
        # HELP b_seconds Time.
        # TYPE b_seconds gauge
        b_seconds 0.25
        # HELP c By state.
        # TYPE c gauge
        c{state="x"} 1
        c{state="a\\"b\\\\c\\nd"} 2
        # HELP d_info What it is.
        # TYPE d_info gauge
        d_info{store="/srv/a b",id="7"} 1

        """)
  }

  @Test func labelsAreEscapedWhateverFollows() {
    var metrics = MetricsText()
    metrics.addInfo("d_info", "What.", [("store", "a\r\nb\"\u{301}\\\u{301}")])
    #expect(metrics.text.hasSuffix("d_info{store=\"a\r\\nb\\\"\u{301}\\\\\u{301}\"} 1\n"))
  }

  @Test func bucketsOfAHistogramAreCumulative() {
    var metrics = MetricsText()
    metrics.add("h_seconds", "Times.", bounds: [0.001, 1, 2.5], counts: [1, 0, 2, 4], sum: 11.5)
    #expect(
      metrics.text.hasSuffix(
        """
        # TYPE h_seconds histogram
        h_seconds_bucket{le="0.001"} 1
        h_seconds_bucket{le="1"} 1
        h_seconds_bucket{le="2.5"} 3
        h_seconds_bucket{le="+Inf"} 7
        h_seconds_sum 11.5
        h_seconds_count 7

        """))
  }

  @Test func eventsAreOneLineWhateverTheMessage() {
    var report = EventReport("error")
    report.message = "two\nlines \"quoted\" \u{2028}"
    report.seconds = 0.5
    let line = ReportJSON.line(report)
    #expect(line.filter { $0 == UInt8(ascii: "\n") }.count == 1 && line.last == UInt8(ascii: "\n"))
    #expect(String(decoding: line, as: UTF8.self).hasPrefix(#"{"event":"error","message":"two\nlines \"quoted\""#))
  }

  @Test func aMessageKeepsItsBlanksAndForgesNoLine() {
    #expect(ControlQuoting.line("disk /dev/sda: no \"space\"") == "disk /dev/sda: no \"space\"")
    #expect(ControlQuoting.line("a\nb\u{1B}[0m") == "a\\012b\\033[0m")
  }
}
