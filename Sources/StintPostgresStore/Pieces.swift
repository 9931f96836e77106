// SPDX-License-Identifier: Apache-2.0

/// Splits a batch for statements of bounded size: the server refuses a message of a gigabyte, and one near it costs it several.
enum Pieces {
    /// One statement carries at most this many bytes of payloads or results, unless a single one is larger.
    static let bytesMax = 8 << 20

    /// The elements in order, in pieces that stay within the limit.
    static func split<Element>(
        _ elements: [Element],
        bytesMax: Int = Pieces.bytesMax,
        _ bytes: (Element) -> Int
    ) -> [ArraySlice<Element>] {
        var pieces: [ArraySlice<Element>] = []
        var start = 0
        var sum = 0
        for (index, element) in elements.enumerated() {
            let size = bytes(element)
            if index > start, sum + size > bytesMax {
                pieces.append(elements[start..<index])
                start = index
                sum = 0
            }
            sum += size
        }
        if start < elements.count { pieces.append(elements[start...]) }
        return pieces
    }
}
