import AOFCore

/// The code of the error that `body` throws; nil if it throws none.
func code(_ body: () throws(AofError) -> Void) -> AofError.Code? {
  do throws(AofError) {
    try body()
    return nil
  } catch {
    return error.code
  }
}
