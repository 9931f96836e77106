// SPDX-License-Identifier: Apache-2.0

import StintCLI

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

@main
enum Stint {
    static func main() async {
        exit(await StintCommand.run(Array(CommandLine.arguments.dropFirst())))
    }
}
