// SPDX-License-Identifier: Apache-2.0

import Logging

/// One line when Redis goes away and one when it is back, however often connecting fails in between.
struct OutageLog {
    private let logger: Logger
    private let address: String
    private let purpose: String
    private var began: ContinuousClock.Instant?

    init(_ logger: Logger, _ configuration: RedisConfiguration, purpose: String) {
        self.logger = logger
        address = configuration.address
        self.purpose = purpose
    }

    mutating func wentAway(_ error: RedisError) {
        guard began == nil else { return }
        began = .now
        logger.warning("Redis is away", metadata: metadata(["error": "\(error)"]))
    }

    mutating func cameBack() {
        guard let began else { return }
        self.began = nil
        let seconds = Double(began.duration(to: .now).milliseconds) / 1000
        logger.notice("Redis is back", metadata: metadata(["outage_seconds": "\(seconds)"]))
    }

    private func metadata(_ more: Logger.Metadata) -> Logger.Metadata {
        more.merging(["redis": "\(address)", "connection": "\(purpose)"]) { first, _ in first }
    }
}
