// SPDX-License-Identifier: Apache-2.0

import StintClient

/// What a server would answer.
enum Sample {
    static let id = UUIDv7(high: 0x0198_F4C2_7A10_7C3E, low: 0x9B1D_5F2A_6E8C_4D01)

    static func job(_ state: String = "available") -> String {
        """
        {"id":"\(id)","name":"n","queue":"q","payload":null,"state":"\(state)","priority":0,"attempt":0,"max_attempts":12,\
        "failures":0,"losses":0,"max_losses":3,"created_at":"2026-12-01T09:00:00.000Z","run_at":"2026-12-01T09:00:00.000Z",\
        "started_at":null,"finished_at":null,"timeout_seconds":1800,"cancel_requested":false,"progress":null,"lease":null,\
        "result":null,"cause":null,"fingerprint":null,"tags":[],"metadata":{},"attempts":[]}
        """
    }

    static let worker = """
        {"worker_id":"\(id)","name":"w","host":"","pid":null,"sdk":"","state":"draining","queues":[],"job_names":[],\
        "concurrency":1,"running":0,"free_slots":1,"started_at":"2026-12-01T09:00:00.000Z",\
        "last_heartbeat_at":"2026-12-01T09:00:00.000Z","expires_at":"2026-12-01T09:00:00.000Z"}
        """

    static let queue =
        #"{"queue":"a b","paused":true,"paused_by":"api","counts":{},"oldest_available_age_seconds":null}"#

    static let emptyPage = #"{"items":[],"next_cursor":null}"#

    static func problem(_ status: Int, _ code: String) -> String {
        """
        {"type":"urn:stint:problem:\(code)","title":"T","status":\(status),"code":"\(code)","detail":"It did not work.",\
        "request_id":"r1"}
        """
    }
}
