// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Logging
import StintCoordinator
import StintCore
import StintMemoryStore
import StintModel
import StintTelemetry
import Testing

@testable import StintHTTP

/// The OpenAPI document and the routes say the same.
@Suite struct RouteContractTests {
    private static func coordinator() -> Coordinator {
        Coordinator(
            store: MemoryJobStore(rules: EndingDecision.rules, now: { Timestamp(milliseconds: 0) }),
            belt: MemoryReadyQueue(),
            backend: "memory",
            settings: CoordinatorSettings(),
            environment: ServiceEnvironment(logger: Logger(label: "test")),
            metrics: MetricRegistry()
        )
    }

    private static func routes(_ role: ListenerRole) -> Set<String> {
        let listener = Listener(role: role, host: "127.0.0.1", port: 0, token: nil)
        let table = listener.table(coordinator(), Readiness(), ConnectionWatch())
        return Set(table.routes.map { "\($0.method.rawValue) \($0.path)" })
    }

    private static let methods: Set<String> = ["get", "put", "post", "delete", "patch", "head", "options", "trace"]

    /// Every operation of the document, with its tags.
    private static func operations() throws -> [(call: String, tags: Set<String>)] {
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(openAPIDocument())) as? [String: Any]
        )
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        return try paths.flatMap { path, item in
            try item.filter { methods.contains($0.key) }.map { method, operation in
                let tags = try #require((operation as? [String: Any])?["tags"] as? [String])
                return ("\(method.uppercased()) \(path)", Set(tags))
            }
        }
    }

    @Test(arguments: [(ListenerRole.api, "submitter"), (.coordinator, "coordinator")])
    func theDocumentNamesEveryRouteOfTheListenerAndNothingElse(_ role: ListenerRole, _ tag: String) throws {
        let documented = Set(try Self.operations().filter { $0.tags.contains(tag) }.map(\.call))
        let served = Self.routes(role)
        #expect(documented.subtracting(served).sorted() == [], "documented, but not served by the \(role)")
        #expect(served.subtracting(documented).sorted() == [], "served by the \(role), but not documented")
    }

    @Test func everyDocumentedCallBelongsToAListener() throws {
        let homeless = try Self.operations().filter { $0.tags.isDisjoint(with: ["submitter", "coordinator"]) }
        #expect(homeless.map(\.call) == [])
    }

    @Test func healthIsOpenOnBothListenersAndNothingElseIs() {
        for role in [ListenerRole.api, .coordinator] {
            let listener = Listener(role: role, host: "127.0.0.1", port: 0, token: "secret")
            #expect(
                listener.table(Self.coordinator(), Readiness(), ConnectionWatch()).openPaths == ["/healthz", "/readyz"]
            )
        }
    }
}

/// SHA-256 against the examples of FIPS 180-4 and of common test vectors.
@Suite struct SHA256Tests {
    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { String(format: "%02x", $0) }.joined()
    }

    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func knownDigests(_ text: String, _ digest: String) {
        #expect(Self.hexadecimal(SHA256.digest(of: text.utf8)) == digest)
    }

    @Test func aMillionBytesInPiecesOfAnyLength() {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        for size in [1, 63, 64, 65, 4096] {
            var hash = SHA256()
            var rest = bytes[...]
            while !rest.isEmpty {
                hash.update(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
            let digest = Self.hexadecimal(hash.finish())
            #expect(digest == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", "pieces of \(size)")
        }
    }
}

@Suite struct EdgeTests {
    @Test(arguments: [
        ("Bearer secret", true), ("Bearer secre", false), ("Bearer secret ", false), ("bearer secret", false),
        ("", false), ("Bearer Secret", false),
    ])
    func onlyTheVeryTokenIsEqual(_ given: String, _ isEqual: Bool) {
        #expect(EdgeMiddleware.isEqual(given, "Bearer secret") == isEqual)
    }

    @Test func aCursorSurvivesItsText() {
        let id = JobID(high: 0x0198_F4C2_7A10_7C3E, low: 0x9B1D_5F2A_6E8C_4D01)
        #expect(PageCursor.decode(PageCursor.encode(id)) == id)
    }

    @Test(arguments: [
        "", "c", "x0198f4c27a107c3e9b1d5f2a6e8c4d01", "c0198f4c27a107c3e9b1d5f2a6e8c4d0",
        "c0198f4c27a107c3e9b1d5f2a6e8c4dzz",
    ])
    func whatNoListGaveOutIsNoCursor(_ text: String) {
        #expect(PageCursor.decode(text) == nil)
    }
}
