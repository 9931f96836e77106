// SPDX-License-Identifier: Apache-2.0

/// What went wrong with a record, by what the caller must do about it.
///
/// Expected outcomes (a lost lease, an unknown id) are answers, not errors.
package enum StorageError: Error, Hashable, Sendable {
    /// Nothing was done: the record cannot be reached or cannot take writes now. Try again later.
    case unavailable(String)
    /// The commands may or may not have been done: the connection broke, or the flush failed, at commit.
    case unknownOutcome(String)
    /// Nothing was done: one of the commands broke a rule of the record itself. The others may succeed without it.
    case rejected(String)
    /// The stored data contradicts itself. Trying again will not help.
    case corrupt(String)
    /// The record is closed: the server is stopping.
    case closed
}

extension StorageError: CustomStringConvertible {
    /// Safe to show to anyone: never a payload, a statement's arguments or a credential.
    package var description: String {
        switch self {
        case .unavailable(let reason): "the record is unavailable: \(reason)"
        case .unknownOutcome(let reason): "the record did not confirm the write: \(reason)"
        case .rejected(let reason): "the record refused a command: \(reason)"
        case .corrupt(let reason): "the record contradicts itself: \(reason)"
        case .closed: "the record is closed"
        }
    }
}
