// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import HummingbirdCore

/// One call of the API.
struct Route: Sendable {
    typealias Handler = @Sendable (Request, StintContext) async throws -> Response

    var method: HTTPRequest.Method
    /// As in the OpenAPI document: `/v1/jobs/{id}`.
    var path: String
    /// Whether it works without a token.
    var isOpen = false
    var handler: Handler

    init(_ method: HTTPRequest.Method, _ path: String, isOpen: Bool = false, _ handler: @escaping Handler) {
        self.method = method
        self.path = path
        self.isOpen = isOpen
        self.handler = handler
    }
}

/// All calls of one listener.
struct RouteTable: Sendable {
    var routes: [Route]

    private static let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete]

    /// A router that knows the calls, and answers 405 to other methods on their paths.
    func router(_ edge: EdgeMiddleware) -> Router<StintContext> {
        let router = Router(context: StintContext.self)
        router.add(middleware: edge)
        for (path, routes) in Dictionary(grouping: routes, by: \.path) {
            for route in routes { router.on(RouterPath(path), method: route.method, use: route.handler) }
            let allowed = routes.map(\.method)
            let allow = allowed.map(\.rawValue).sorted().joined(separator: ", ")
            for method in Self.methods where !allowed.contains(method) {
                router.on(RouterPath(path), method: method) { request, _ -> Response in
                    var problem = Problem(
                        .methodNotAllowed,
                        "method_not_allowed",
                        "\(request.method.rawValue) is not possible on \(path); possible: \(allow)"
                    )
                    problem.allow = allow
                    throw problem
                }
            }
        }
        return router
    }

    /// Paths that need no token.
    var openPaths: Set<String> { Set(routes.filter(\.isOpen).map(\.path)) }
}
