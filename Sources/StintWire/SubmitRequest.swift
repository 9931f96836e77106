// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// A job to submit.
///
/// Only ``name`` is required; what is nil is chosen by the server.
public struct SubmitRequest: Hashable, Sendable {
    /// Picks the handler: 1–128 characters of `A-Za-z0-9._:-`.
    public var name: String
    /// One JSON value's exact bytes, at most 256 KiB.
    ///
    /// They reach the worker as they are.
    public var payload: [UInt8]
    /// The queue it goes to: 1–128 characters of `A-Za-z0-9._:-`.
    public var queue: String?
    /// −100…100; each step is one minute of head start.
    public var priority: Int?
    /// When it may run at the earliest; not together with ``delaySeconds``.
    public var runAt: Timestamp?
    /// How long it waits before it may run, at most 10 years.
    public var delaySeconds: Double?
    /// It expires unless its first attempt starts within this time after it may run.
    public var startWithinSeconds: Double?
    /// How many attempts may fail, 1…1,000.
    public var maxAttempts: Int?
    /// How many workers may be lost under it, 1…100.
    public var maxLosses: Int?
    /// How long one attempt may take, 1…604,800.
    public var timeoutSeconds: Double?
    /// How long it waits between attempts.
    public var retry: RetryPolicy?
    /// Up to 16 words of 1–128 characters to find it by.
    public var tags: [String] = []
    /// The metadata as a JSON object of strings, empty for none; see ``metadata``.
    public var metadataBytes: [UInt8] = []
    /// A W3C trace context that the job belongs to.
    public var traceparent: String?

    /// Creates a job with a payload of exact JSON bytes.
    public init(name: String, payload: [UInt8] = Self.noPayload) {
        self.name = name
        self.payload = payload
    }

    /// Creates a job with a payload of JSON text, sent as it is.
    public init(name: String, json: String) {
        self.init(name: name, payload: Array(json.utf8))
    }

    /// The payload of a job that has none: `null`.
    public static let noPayload = Array("null".utf8)
}

extension SubmitRequest {
    /// Up to 16 pairs: names of 1–128 characters, values of at most 1,024.
    public var metadata: [String: String] {
        get { JSONCursor.stringPairs(metadataBytes) }
        set { metadataBytes = JSONWriter.stringPairs(newValue) }
    }

    /// The job for the record, with the defaults filled in.
    package func newJob(id: JobID) -> NewJob {
        var options = JobOptions()
        if let priority { options.priority = priority }
        if let maxAttempts { options.maxAttempts = maxAttempts }
        if let maxLosses { options.maxLosses = maxLosses }
        if let timeoutSeconds { options.timeout = .seconds(timeoutSeconds) }
        if let retry { options.retry = retry }
        options.tags = tags
        options.metadata = metadataBytes
        options.traceparent = traceparent
        return NewJob(
            id: id,
            lane: Lane(queue: queue ?? SubmitLimits.defaultQueue, name: name),
            payload: payload,
            schedule: schedule,
            startWithin: startWithinSeconds.map { .seconds($0) },
            options: options
        )
    }

    private var schedule: JobSchedule {
        if let runAt { return .at(runAt) }
        guard let delaySeconds, delaySeconds > 0 else { return .now }
        return .after(.seconds(delaySeconds))
    }
}

/// What a job to submit may be at most.
package enum SubmitLimits {
    package static let defaultQueue = "default"
    package static let payloadBytesMax = 256 << 10
    package static let batchMax = 10_000
    package static let priority = -100...100
    /// 10 years of 365 days.
    package static let delaySecondsMax = 315_360_000.0
    /// The last instant that has a text form of four digits for the year.
    package static let runAtMax = Timestamp(milliseconds: 253_402_300_799_999)
    package static let maxAttempts = 1...1000
    package static let maxLosses = 1...100
    package static let timeoutSeconds = 1...604_800.0
    package static let retryBaseSeconds = 0...86_400.0
    package static let retryFactor = 1...1000.0
    /// 30 days.
    package static let retryCapSeconds = 0...2_592_000.0
    package static let tagsMax = 16
    package static let tagCharacters = 1...128
    package static let metadataPairsMax = 16
    package static let metadataNameCharacters = 1...128
    package static let metadataValueCharacters = 0...1024
    /// White space and escapes may make the metadata as long as this, not longer.
    package static let metadataBytesMax = 256 << 10
    package static let traceparentBytesMax = 64
    package static let idempotencyKeyBytesMax = 255
}
