import AOFCore

extension UnixTime {
  /// In UTC with whole seconds: `2026-01-31T23:59:59Z`.
  package var rfc3339: String {
    let (days, second) = divided(divided(rawValue, by: 1_000_000_000).0, by: 86_400)
    // Days are counted from 0000-03-01, so that the leap day is the last of its year.
    let (era, dayOfEra) = divided(days + 719_468, by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    return "\(date)T\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))Z"
  }
}

/// Quotient and remainder, rounded towards the past.
private func divided(_ value: Int64, by divisor: Int64) -> (Int64, Int64) {
  let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
  return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

private func padded(_ value: Int64, _ width: Int) -> String {
  let digits = String(value)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

extension UnixTime {
  /// As ``rfc3339``, with milliseconds: `2026-01-31T23:59:59.250Z`.
  package var rfc3339WithMilliseconds: String {
    rfc3339.dropLast() + "." + padded(nanoseconds / 1_000_000, 3) + "Z"
  }
}
