// SPDX-License-Identifier: Apache-2.0

import StintCLI
import StintStubServer
import Testing

@Suite struct DoctorTests {
    @Test func aSoundServerIsFoundSound() async throws {
        let plan = StubServer.Plan { request, _ in
            switch request.uri {
            case "/v1/stats": .reply(200, #"{"counts":{"available":2,"running":1,"completed":9}}"#)
            default: .reply(200, #"{"status":"ok","version":"0.1.0"}"#)
            }
        }
        try await StubServer.with(plan) { server in
            let outcome = await stint("doctor", "--data-dir", "/nonexistent/stint", "--api-url", server.url)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                outcome.output.contains(
                    "data directory  ok  /nonexistent/stint (not there yet; `stint serve` makes it)\n"
                )
            )
            #expect(outcome.output.contains("access          ok  granted, 3 open jobs\n"))
        }
    }

    @Test func whatNeedsAttentionIsToldAndEndsWithOne() async throws {
        let plan = StubServer.Plan { request, _ in
            switch request.uri {
            case "/healthz": .reply(200, #"{"status":"ok","version":"9.9.9"}"#)
            case "/readyz": .reply(503, #"{"code":"unavailable","status":503,"title":"T"}"#)
            default: .reply(401, #"{"code":"unauthorized","status":401,"title":"No token."}"#)
            }
        }
        try await StubServer.with(plan) { server in
            let outcome = await stint(
                "doctor",
                "--data-dir",
                "/nonexistent/stint",
                "--api-url",
                server.url,
                "-o",
                "json"
            )
            #expect(outcome.status == 1)
            for part in ["it differs from this program's, 0.1.0", "it is stopping", "STINT_TOKEN"] {
                #expect(outcome.output.contains(part))
            }
        }
    }

    @Test func noServerIsNoReasonToCheckNothing() async throws {
        let outcome = await stint("doctor", "--data-dir", "/dev/null", "--api-url", "http://127.0.0.1:1")
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("data directory: it is no directory"))
        #expect(outcome.output.contains("stint serve"))
    }

    @Test func theFileSystemIsThatOfTheNearestMountPoint() {
        let mounts = """
            overlay / overlay rw 0 0
            proc /proc proc rw 0 0
            host:/x /srv nfs4 rw 0 0
            /dev/sdb /srv/data ext4 rw 0 0
            tmpfs /srv/data tmpfs rw 0 0
            """
        #expect(DataDirectoryChecks.kind(of: "/srv/data/stint", mounts: mounts) == "tmpfs")
        #expect(DataDirectoryChecks.kind(of: "/srv", mounts: mounts) == "nfs4")
        #expect(DataDirectoryChecks.kind(of: "/srvother", mounts: mounts) == "overlay")
        #expect(DataDirectoryChecks.kind(of: "/srv", mounts: "") == nil)
    }
}
