// SPDX-License-Identifier: Apache-2.0

// The views and values that the client takes and gives: whoever imports the client can name them.
@_exported public import StintModel
@_exported public import StintWire
