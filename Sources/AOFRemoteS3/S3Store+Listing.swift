import AOFCore
import AOFRemote

extension S3Store {
  public func list(
    _ directory: RemoteKey?, after last: RemoteKey?, limit: Int
  ) throws(AofError) -> [RemoteListing] {
    guard limit > 0 else { return [] }
    let prefix = directory.map { full($0) + "/" } ?? location.keyPrefix
    var found: [RemoteListing] = []
    var continuation: String?
    repeat {
      let page = try page(prefix, after: last.map(full), limit: limit - found.count, continuation: continuation)
      // What has a name that is none of ours was put there by somebody else.
      found += page.objects.compactMap { object in
        let name = String(object.key.dropFirst(location.keyPrefix.count))
        return (try? RemoteKey(name)).map { RemoteListing(key: $0, size: object.size) }
      }
      continuation = page.continuation
    } while found.count < limit && continuation != nil
    return found
  }

  /// The most objects that a server puts in one answer.
  private static let largestPage = 1000

  func page(
    _ prefix: String, after last: String?, limit: Int, continuation: String?
  ) throws(AofError) -> S3Listing {
    var request = S3Request(method: .get)
    request.collectedLimit = 8 << 20
    // Keys of others may have characters that XML does not.
    request.query = [
      ("list-type", "2"), ("encoding-type", "url"), ("max-keys", "\(min(limit, Self.largestPage))"), ("prefix", prefix),
    ]
    if let last { request.query.append(("start-after", last)) }
    if let continuation { request.query.append(("continuation-token", continuation)) }
    do throws(S3FinalFailure) {
      return try client.send(request) { response throws(S3Failure) in
        guard let page = S3Document(parsing: response.body).flatMap(S3Listing.init) else {
          throw S3Failure(response, isNot: "the listing is not whole")
        }
        return page
      }
    } catch {
      throw failure("list", nil, error)
    }
  }
}
