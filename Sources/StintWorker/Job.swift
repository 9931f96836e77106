// SPDX-License-Identifier: Apache-2.0

public import StintModel
import StintWire

/// One attempt at a job, as a handler gets it.
public struct Job<Payload> {
    /// The same for every attempt: a good key for side effects that must happen once.
    public let id: JobID
    /// What picked the handler.
    public let name: String
    /// Where it waited.
    public let queue: String
    /// What was submitted.
    public let payload: Payload
    /// Rises with every lease of the job, from 1.
    public let attempt: Int
    /// How many attempts may fail before it is set aside.
    public let maxAttempts: Int
    /// When it was submitted.
    public let createdAt: Timestamp

    init(_ granted: GrantedJob, payload: Payload) {
        id = granted.id
        name = granted.lane.name
        queue = granted.lane.queue
        self.payload = payload
        attempt = granted.attempt
        maxAttempts = granted.maxAttempts
        createdAt = granted.createdAt
    }
}

extension Job: Sendable where Payload: Sendable {}

/// An attempt at a job whose payload is the exact bytes that were submitted: one JSON value.
public typealias RawJob = Job<[UInt8]>
