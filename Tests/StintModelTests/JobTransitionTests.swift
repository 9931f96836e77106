// SPDX-License-Identifier: Apache-2.0

import StintModel
import Testing

@Suite("The transition table of job states")
struct JobTransitionTests {
    /// The table of PRODUCT.md, cell by cell: `-` is an event that must have no effect in that state.
    private static let table = """
        event            blocked   scheduled available running   completed dead      cancelled expired
        unblocked        available -         -         -         -         -         -         -
        timeCame         -         available -         -         -         -         -         -
        leased           -         -         running   -         -         -         -         -
        completed        -         -         -         completed -         -         -         -
        failed           -         -         -         scheduled -         -         -         -
        died             -         -         -         dead      -         -         -         -
        lostFirst        -         -         -         available -         -         -         -
        lostAgain        -         -         -         scheduled -         -         -         -
        released         -         -         -         available -         -         -         -
        snoozed          -         -         -         scheduled -         -         -         -
        cancelRequested  cancelled cancelled cancelled running   -         -         -         -
        cancelTookEffect -         -         -         cancelled -         -         -         -
        expired          expired   expired   expired   -         -         -         -         -
        redriven         -         -         -         -         -         available available available
        runNow           -         available -         -         -         -         -         -
        """

    struct Cell: Sendable, CustomStringConvertible {
        var event: JobEvent
        var from: JobState
        var to: JobState?

        var description: String { "\(event) in \(from.name) → \(to?.name ?? "no effect")" }
    }

    static let cells: [Cell] = {
        let rows = table.split(separator: "\n").map { $0.split(separator: " ") }
        let states = rows[0].dropFirst().compactMap { JobState(name: $0) }
        return rows.dropFirst().flatMap { row in
            JobEvent.allCases.filter { "\($0)" == row[0] }.flatMap { event in
                zip(states, row.dropFirst()).map { Cell(event: event, from: $0, to: JobState(name: $1)) }
            }
        }
    }()

    @Test func theTableHasOneCellForEveryStateAndEvent() {
        #expect(Self.cells.count == 8 * 15)
        #expect(Set(Self.cells.map(\.description)).count == JobState.allCases.count * JobEvent.allCases.count)
    }

    @Test(arguments: cells)
    func anEventTakesAJobWhereTheTableSays(_ cell: Cell) {
        #expect(JobTransition.next(from: cell.from, on: cell.event) == cell.to)
    }

    @Test func onlyARedriveLeavesATerminalState() {
        for state in JobState.allCases where state.isTerminal {
            let moving = JobEvent.allCases.filter { JobTransition.next(from: state, on: $0) != nil }
            #expect(moving == (state == .completed ? [] : [.redriven]), "\(state)")
        }
    }

    @Test func everyWaitingStateCanBeCancelledAndCanExpire() {
        for state in JobState.allCases where state.isWaiting {
            #expect(JobTransition.next(from: state, on: .cancelRequested) == .cancelled)
            #expect(JobTransition.next(from: state, on: .expired) == .expired)
        }
    }

    @Test func onlyALeaseMakesAJobRun() {
        let leasing = JobState.allCases.filter { JobTransition.next(from: $0, on: .leased) == .running }
        #expect(leasing == [.available])
    }
}
