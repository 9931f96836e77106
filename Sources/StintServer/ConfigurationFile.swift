// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Yams

/// `stint.yaml`: a flat list of settings, named like the environment variables without `STINT_`, in lower case.
package enum ConfigurationFile {
    /// The values by environment name.
    ///
    /// - Throws: ``ConfigurationError`` for a file that cannot be read, is no such list or names an unknown setting.
    package static func read(_ path: String, known: [String]) throws -> [String: String] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ConfigurationError("cannot read the configuration file \(path)")
        }
        let node: Node?
        do {
            node = try Yams.compose(yaml: String(decoding: data, as: UTF8.self))
        } catch {
            throw ConfigurationError("the configuration file \(path) is no valid YAML: \(error)")
        }
        guard let node else { return [:] }
        guard let mapping = node.mapping else {
            throw ConfigurationError("the configuration file \(path) must be a list of 'setting: value' lines")
        }
        var values: [String: String] = [:]
        for (key, value) in mapping {
            let name = key.string ?? ""
            guard let setting = known.first(where: { SettingSource.fileName($0) == name }) else {
                let names = known.map(SettingSource.fileName).joined(separator: ", ")
                throw ConfigurationError("unknown setting '\(name)' in \(path); known are: \(names)")
            }
            guard let text = value.scalar?.string else {
                throw ConfigurationError("\(name) in \(path) must be a single value")
            }
            values[setting] = text
        }
        return values
    }
}
