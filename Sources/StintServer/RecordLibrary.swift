// SPDX-License-Identifier: Apache-2.0

import StintSQLiteStore
package import StintStorage

/// What is known of the embedded record without opening it: a running server keeps others out.
package enum RecordLibrary {
    package static func diagnostics() -> [RecordDiagnostic] {
        SQLiteDiagnostics.library()
    }
}
