// SPDX-License-Identifier: Apache-2.0

public import StintModel

/// Everything at a glance.
public struct StatsView: Hashable, Sendable {
    /// Jobs per second, as averages over the time that has just passed.
    public struct Rates: Hashable, Sendable {
        /// Over one minute.
        public var oneMinute: Double
        /// Over five minutes.
        public var fiveMinutes: Double
        /// Over fifteen minutes.
        public var fifteenMinutes: Double

        package init(oneMinute: Double = 0, fiveMinutes: Double = 0, fifteenMinutes: Double = 0) {
            self.oneMinute = oneMinute
            self.fiveMinutes = fiveMinutes
            self.fifteenMinutes = fifteenMinutes
        }
    }

    /// Jobs by state.
    public var counts: [JobState: Int]
    /// Jobs that came in.
    public var submitted: Rates
    /// Jobs that were completed.
    public var completed: Rates
    /// Attempts that failed.
    public var failed: Rates

    package init(counts: [JobState: Int], submitted: Rates, completed: Rates, failed: Rates) {
        self.counts = counts
        self.submitted = submitted
        self.completed = completed
        self.failed = failed
    }
}

extension StatsView: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("counts")
            json.stateCounts(counts)
            json.name("rates")
            json.object { json in
                json.name("submitted")
                submitted.write(to: &json)
                json.name("completed")
                completed.write(to: &json)
                json.name("failed")
                failed.write(to: &json)
            }
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var view = StatsView(counts: [:], submitted: Rates(), completed: Rates(), failed: Rates())
        var hasCounts = false
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "counts":
                view.counts = try json.stateCounts()
                hasCounts = true
            case "rates": try view.readRates(from: &json)
            default: try json.skip()
            }
        }
        guard hasCounts else { throw .missing("counts") }
        self = view
    }

    private mutating func readRates(from json: inout JSONCursor) throws(JSONProblem) {
        var view = self
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "submitted": view.submitted = try Rates(from: &json)
            case "completed": view.completed = try Rates(from: &json)
            case "failed": view.failed = try Rates(from: &json)
            default: try json.skip()
            }
        }
        self = view
    }
}

extension StatsView.Rates: WireView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("1m")
            json.double(oneMinute)
            json.name("5m")
            json.double(fiveMinutes)
            json.name("15m")
            json.double(fifteenMinutes)
        }
    }

    package init(from json: inout JSONCursor) throws(JSONProblem) {
        var rates = Self()
        try json.anyObject { (json, name) throws(JSONProblem) in
            switch name {
            case "1m": rates.oneMinute = try json.double()
            case "5m": rates.fiveMinutes = try json.double()
            case "15m": rates.fifteenMinutes = try json.double()
            default: try json.skip()
            }
        }
        self = rates
    }
}
