/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_wire.h"
#include "common/require.h"
#include "common/utf8.h"
#include "proto/idn.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s)
{
    REQUIRE(s != NULL);
    for (; *s; s++)
        REQUIRE(*s >= ' ' && *s <= '~');
}

static void check_unicode(const char *name)
{
    char *unicode = idn_unicode(name);
    REQUIRE(unicode == NULL || utf8_valid(unicode, strlen(unicode)));
    free(unicode);
}

/* The first two octets choose the type asked for, the rest is the reply. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > DNS_MESSAGE_MAX + 2)
        return 0;
    struct dns_query q = {
        .id = 0x1234, .name = "example.com", .type = (uint16_t)(data[0] << 8 | data[1])};
    (void)dns_reply_matches(&q, data + 2, size - 2);
    struct dns_message m;
    char why[128];
    if (dns_message_parse(data + 2, size - 2, q.type, &m, why, sizeof(why)) != ERR_NONE) {
        REQUIRE(why[0] != '\0');
        return 0;
    }
    size_t text = 0, kept = 0;
    for (unsigned i = 0; m.edns && i < m.edns->n_ede; i++) {
        const char *s = m.edns->ede[i].text;
        REQUIRE(s == NULL || (strlen(s) <= DNS_EDE_TEXT_MAX && utf8_valid(s, strlen(s))));
    }
    for (unsigned s = 0; s < 3; s++) {
        kept += m.n_sections[s];
        for (unsigned i = 0; i < m.n_sections[s]; i++) {
            check_text(m.sections[s][i].name);
            check_unicode(m.sections[s][i].name);
            check_text(m.sections[s][i].data);
            text += strlen(m.sections[s][i].name) + strlen(m.sections[s][i].data);
        }
    }
    REQUIRE(kept <= DNS_RR_KEEP_MAX && kept <= m.n_records && m.n_records <= DNS_RR_READ_MAX);
    REQUIRE(text <= DNS_TEXT_KEEP_MAX && m.n_matching <= m.n_answers);
    dns_message_fini(&m);
    return 0;
}
