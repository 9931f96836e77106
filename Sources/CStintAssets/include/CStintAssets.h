// SPDX-License-Identifier: Apache-2.0
// Files that travel inside the binary. `#embed` puts them into read-only data, so the binary can be moved anywhere.

#ifndef CSTINT_ASSETS_H
#define CSTINT_ASSETS_H

#include <stddef.h>

/// The OpenAPI 3.1 document, UTF-8, not null-terminated. Sets `length` to its length in bytes.
const unsigned char *_Nonnull stint_openapi_json(size_t *_Nonnull length);

#endif
