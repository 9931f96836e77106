// SPDX-License-Identifier: Apache-2.0

#include "CStintAssets.h"

const unsigned char stint_openapi_json[] = {
#embed "openapi.json"
};
const size_t stint_openapi_json_length = sizeof(stint_openapi_json);
