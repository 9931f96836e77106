// SPDX-License-Identifier: Apache-2.0

package import StintModel
import StintStorage

/// Why a request was not done, by what its sender should make of it.
///
/// One file of StintHTTP turns these into answers.
package enum ServiceError: Error, Hashable, Sendable {
    /// No such job, queue or worker session.
    case notFound(String)
    /// The job's state does not allow it.
    case wrongState(JobState, wanted: String)
    /// The idempotency key was used with another body.
    case idempotencyMismatch
    /// The worker session is unknown or has ended.
    case sessionLost
    /// Too much is waiting. Nothing was done.
    case overloaded
    /// The record cannot be reached, or the server is stopping. Nothing was done.
    case unavailable(String)
    /// It may or may not have been done: repeat it with the same idempotency key.
    case unknownOutcome(String)
    /// A fault of Stint or of its data.
    case fault(String)

    init(_ error: RecorderError) {
        self =
            switch error {
            case .overloaded: .overloaded
            case .stopping: .unavailable("the server is stopping")
            case .storage(let error): ServiceError(error)
            }
    }

    init(_ error: StorageError) {
        self =
            switch error {
            case .unavailable: .unavailable(error.description)
            case .closed: .unavailable("the server is stopping")
            case .unknownOutcome: .unknownOutcome(error.description)
            case .rejected, .corrupt: .fault(error.description)
            }
    }
}

extension Coordinator {
    /// As the recorder, in the words of the services.
    func perform(
        _ command: RecordCommand,
        _ priority: Recorder.Priority = .normal
    ) async throws(ServiceError) -> RecordAnswer {
        do throws(RecorderError) {
            return try await recorder.perform(command, priority)
        } catch {
            throw ServiceError(error)
        }
    }

    /// As the recorder, in the words of the services.
    func perform(
        _ commands: [RecordCommand],
        _ priority: Recorder.Priority = .normal
    ) async throws(ServiceError) -> [RecordAnswer] {
        do throws(RecorderError) {
            return try await recorder.perform(commands, priority)
        } catch {
            throw ServiceError(error)
        }
    }

    /// A read of the record, in the words of the services.
    func read<Value: Sendable>(
        _ body: (any JobStore) async throws(StorageError) -> Value
    ) async throws(ServiceError) -> Value {
        do throws(StorageError) {
            return try await body(store)
        } catch {
            throw ServiceError(error)
        }
    }
}
