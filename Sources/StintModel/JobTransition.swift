// SPDX-License-Identifier: Apache-2.0

/// What can happen to a stored job.
package enum JobEvent: CaseIterable, Sendable {
    /// The last job it waited for has ended.
    case unblocked
    /// Its time came.
    case timeCame
    /// It was leased to a worker session.
    case leased
    /// The worker completed it.
    case completed
    /// An attempt failed or timed out; attempts are left.
    case failed
    /// An attempt failed for good, or none is left, or it lost too many workers.
    case died
    /// Its worker session was lost for the first time.
    case lostFirst
    /// Its worker session was lost again.
    case lostAgain
    /// The worker gave it back.
    case released
    /// The worker put it off.
    case snoozed
    /// A person called it off.
    case cancelRequested
    /// A running attempt ended after the job had been called off.
    case cancelTookEffect
    /// It was not started in time.
    case expired
    /// A person sent it back.
    case redriven
    /// A person asked for it to run now.
    case runNow
}

/// The one table of job states: where an event takes a job, and what it does not touch.
package enum JobTransition {
    /// The state after `event`, nil where the event must have no effect in that state.
    package static func next(from state: JobState, on event: JobEvent) -> JobState? {
        switch (state, event) {
        case (.blocked, .unblocked): .available
        case (.blocked, .cancelRequested), (.scheduled, .cancelRequested), (.available, .cancelRequested): .cancelled
        case (.blocked, .expired), (.scheduled, .expired), (.available, .expired): .expired
        case (.scheduled, .timeCame), (.scheduled, .runNow): .available
        case (.available, .leased): .running
        case (.running, .completed): .completed
        case (.running, .failed), (.running, .lostAgain), (.running, .snoozed): .scheduled
        case (.running, .died): .dead
        case (.running, .lostFirst), (.running, .released): .available
        // The cancel flag is set; the attempt goes on until the worker, a time-out or a loss ends it.
        case (.running, .cancelRequested): .running
        case (.running, .cancelTookEffect): .cancelled
        case (.dead, .redriven), (.cancelled, .redriven), (.expired, .redriven): .available
        default: nil
        }
    }
}
