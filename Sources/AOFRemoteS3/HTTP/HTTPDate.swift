import CCurl

/// The times of HTTP's headers, as `Fri, 24 May 2013 00:00:00 GMT`.
enum HTTPDate {
  /// Seconds since 1970; nil if it is no time.
  static func seconds(_ text: String) -> Int64? {
    let seconds = curl_getdate(text, nil)
    return seconds < 0 ? nil : Int64(seconds)
  }
}
