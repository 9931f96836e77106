/* SPDX-License-Identifier: Apache-2.0 */

/* By its folder, as the system's include path has it: the package's pkg-config file names a flag that SwiftPM refuses. */
#include <hiredis/hiredis.h>
