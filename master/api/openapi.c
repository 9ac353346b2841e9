/* SPDX-License-Identifier: MIT */
#include "master/api/handlers.h"
#include "master/api/http.h"

/* The document stands in the program as it stands in openapi.json. `ld -r -b binary` would make the
 * stack executable. */
__asm__(".section .rodata\n"
        "openapi_begin:\n"
        ".incbin \"" OPENAPI_FILE "\"\n"
        "openapi_end:\n"
        ".byte 0\n"
        ".previous\n");
extern const char openapi_begin[], openapi_end[];

enum step openapi_get(struct http_req *r)
{
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    strbuf_append(&r->reply.body, openapi_begin, (size_t)(openapi_end - openapi_begin));
    return STEP_DONE;
}
