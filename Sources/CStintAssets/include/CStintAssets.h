// SPDX-License-Identifier: Apache-2.0
// Files that travel inside the binary. `#embed` puts them into read-only data, so the binary can be moved anywhere.

#ifndef CSTINT_ASSETS_H
#define CSTINT_ASSETS_H

#include <stddef.h>

/// The OpenAPI 3.1 document, UTF-8, not null-terminated.
extern const unsigned char stint_openapi_json[];
/// The length of `stint_openapi_json` in bytes.
extern const size_t stint_openapi_json_length;

#endif
