/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"
#include "common/utf8.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The title of any bytes is bounded, valid text or nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *title = http_title((const char *)data, size);
    if (title) {
        REQUIRE(title[0] != '\0' && strlen(title) <= 512);
        REQUIRE(utf8_valid(title, strlen(title)));
    }
    free(title);
    return 0;
}
