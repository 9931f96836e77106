// SPDX-License-Identifier: Apache-2.0

#include "CStintAssets.h"

// `#embed` is C23; the toolchain's clang has it in every mode.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char openapi_json[] = {
#embed "openapi.json"
};

const unsigned char *stint_openapi_json(size_t *length) {
    *length = sizeof(openapi_json);
    return openapi_json;
}
