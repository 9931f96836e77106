// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import StintCoordinator
import StintModel
import StintTelemetry
import StintWire

/// What holds for every call: a request id, the token, errors as problems, the log, the metrics.
struct EdgeMiddleware: RouterMiddleware {
    let token: String?
    let openPaths: Set<String>
    let environment: ServiceEnvironment
    let durations: HistogramFamily

    init(token: String?, openPaths: Set<String>, environment: ServiceEnvironment, metrics: MetricRegistry) {
        self.token = token
        self.openPaths = openPaths
        self.environment = environment
        durations = metrics.histogram(
            "stint_http_request_duration_seconds",
            help: "Time to answer a request, long polls included.",
            labels: ["route", "method", "status"],
            bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
        )
    }

    func handle(
        _ request: Request,
        context: StintContext,
        next: (Request, StintContext) async throws -> Response
    ) async throws -> Response {
        let start = environment.time.now()
        var context = context
        context.requestID = requestID(of: request)
        var response: Response
        do {
            try authorise(request)
            response = try await next(request, context)
        } catch {
            let problem = problem(of: error)
            log(problem, error, request, context)
            response = .problem(problem, requestID: context.requestID)
        }
        response.headers[.requestID] = context.requestID
        observe(request, context, response, since: start)
        return response
    }

    /// The client's own id where it is harmless, else a new one.
    private func requestID(of request: Request) -> String {
        if let given = request.headers[.requestID], (1...128).contains(given.utf8.count),
            given.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        {
            return given
        }
        var digits: [UInt8] = []
        digits.reserveCapacity(16)
        Hex.append(environment.random(), width: 16, to: &digits)
        return String(decoding: digits, as: UTF8.self)
    }

    private func authorise(_ request: Request) throws {
        guard let token, !openPaths.contains(request.uri.path) else { return }
        let given = request.headers[.authorization] ?? ""
        guard Self.isEqual(given, "Bearer \(token)") else {
            throw Problem(
                .unauthorized,
                "unauthorized",
                "this server needs a token: send the header Authorization: Bearer TOKEN (the CLI reads STINT_TOKEN)"
            )
        }
    }

    /// Takes the same time wherever the texts differ.
    static func isEqual(_ given: String, _ wanted: String) -> Bool {
        let (given, wanted) = (Array(given.utf8), Array(wanted.utf8))
        var difference = given.count ^ wanted.count
        for (index, byte) in wanted.enumerated() {
            difference |= Int(byte ^ (index < given.count ? given[index] : 0))
        }
        return difference == 0
    }

    private func problem(of error: any Error) -> Problem {
        switch error {
        case let problem as Problem: problem
        case let error as JSONProblem: Problem(error)
        case let error as ServiceError: Problem(error)
        case let error as HTTPError where error.status == .notFound:
            .notFound("there is no such path; see /openapi.json")
        case let error as HTTPError where (400..<500).contains(error.status.code):
            Problem(error.status, "bad_request", error.body ?? "the request is malformed")
        default:
            Problem(.internalServerError, "internal", "an internal error; the server's log has it under the request id")
        }
    }

    private func log(_ problem: Problem, _ error: any Error, _ request: Request, _ context: StintContext) {
        guard problem.status.code >= 500 else { return }
        environment.logger.error(
            "a request failed",
            metadata: [
                "request_id": "\(context.requestID)", "method": "\(request.method.rawValue)",
                "path": "\(request.uri.path)", "status": "\(problem.status.code)", "error": "\(error)",
            ]
        )
    }

    private func observe(_ request: Request, _ context: StintContext, _ response: Response, since start: Int64) {
        let seconds = Double(environment.time.now() - start) / 1e9
        let route = context.endpointPath ?? "unknown"
        durations.observe(seconds, [route, request.method.rawValue, Self.statusClass(response.status.code)])
    }

    private static func statusClass(_ code: Int) -> String {
        switch code {
        case ..<300: "2xx"
        case ..<400: "3xx"
        case ..<500: "4xx"
        default: "5xx"
        }
    }
}
