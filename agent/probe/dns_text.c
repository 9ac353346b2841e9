/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_text.h"
#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <time.h>
#include "agent/probe/dns_loc.h"
#include "agent/probe/dns_svcb.h"
#include "agent/probe/dns_wire.h"
#include "proto/target.h"

#define LABEL_MAX 63
/* A name has at most 127 labels, so no honest one needs more jumps. */
#define JUMPS_MAX 127

void dns_cur_init(struct dns_cur *c, const uint8_t *msg, size_t len)
{
    REQUIRE(msg != NULL || len == 0);
    *c = (struct dns_cur){.msg = msg, .end = len};
}

void dns_cur_fail(struct dns_cur *c, const char *why)
{
    if (c->why == NULL)
        c->why = why;
}

const uint8_t *dns_cur_bytes(struct dns_cur *c, size_t n)
{
    REQUIRE(c->pos <= c->end);
    if (n > c->end - c->pos)
        dns_cur_fail(c, "it ends too early");
    if (c->why != NULL)
        return NULL;
    const uint8_t *p = c->msg + c->pos;
    c->pos += n;
    return p;
}

uint32_t dns_cur_uint(struct dns_cur *c, unsigned bytes)
{
    const uint8_t *p = dns_cur_bytes(c, bytes);
    uint32_t v = 0;
    for (unsigned i = 0; p != NULL && i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

/* What is never special. */
static bool is_plain(uint8_t ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '-';
}

/* By hand: printf() for every octet of a hostile reply would hold the loop for 100 ms. */
void dns_text_octet(struct strbuf *b, uint8_t ch, const char *specials)
{
    if (is_plain(ch)) {
        strbuf_putc(b, (char)ch);
        return;
    }
    if (ch < ' ' || ch > '~' || (ch == ' ' && strchr(specials, ' ') != NULL)) {
        const char text[4] = {'\\', (char)('0' + ch / 100), (char)('0' + ch / 10 % 10),
                              (char)('0' + ch % 10)};
        strbuf_append(b, text, sizeof(text));
        return;
    }
    if (strchr(specials, ch) != NULL)
        strbuf_putc(b, '\\');
    strbuf_putc(b, (char)ch);
}

static void put_label(struct strbuf *b, const uint8_t *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        dns_text_octet(b, p[i], " .\"();@$\\");
    strbuf_putc(b, '.');
}

/* Where a compression pointer leads: strictly before the name it stands in, so that every chain
 * ends. */
static size_t follow_pointer(struct dns_cur *at, uint8_t high, size_t before)
{
    size_t target = (size_t)(high & 0x3f) << 8 | dns_cur_uint(at, 1);
    if (target >= before)
        dns_cur_fail(at, "a compressed name points forward or at itself");
    return target;
}

void dns_cur_name(struct dns_cur *c, struct strbuf *b)
{
    struct dns_cur at = *c;
    size_t wire = 0, start = at.pos;
    unsigned jumps = 0;
    for (;;) {
        uint8_t n = (uint8_t)dns_cur_uint(&at, 1);
        if (at.why == NULL && n >= 0xc0) {
            size_t target = follow_pointer(&at, n, start);
            if (jumps == 0)
                c->pos = at.pos;
            if (++jumps > JUMPS_MAX)
                dns_cur_fail(&at, "a compressed name jumps too often");
            at.end = start; /* what lies before the pointer; the name that we came from is not read
                               twice */
            at.pos = start = target < at.end ? target : at.end;
            continue;
        }
        if (n > LABEL_MAX)
            dns_cur_fail(&at, "a label has a reserved type");
        wire += (size_t)n + 1;
        if (wire > DNS_NAME_WIRE_MAX)
            dns_cur_fail(&at, "a name is longer than 255 octets");
        const uint8_t *p = dns_cur_bytes(&at, n);
        if (p == NULL || n == 0)
            break;
        put_label(b, p, n);
    }
    if (wire == 1)
        strbuf_putc(b, '.');
    if (jumps == 0)
        c->pos = at.pos;
    c->why = at.why;
}

void dns_text_quoted(struct dns_cur *c, size_t n, struct strbuf *b)
{
    const uint8_t *p = dns_cur_bytes(c, n);
    strbuf_putc(b, '"');
    for (size_t i = 0; p != NULL && i < n; i++)
        dns_text_octet(b, p[i], "\"\\");
    strbuf_putc(b, '"');
}

static void put_strings(struct dns_cur *c, struct strbuf *b)
{
    for (bool first = true; first || (c->pos < c->end && c->why == NULL); first = false) {
        if (!first)
            strbuf_putc(b, ' ');
        dns_text_quoted(c, dns_cur_uint(c, 1), b);
    }
}

/* CAA's tag: a counted string that is written bare (RFC 8659 §4.1.1). */
static void put_tag(struct dns_cur *c, struct strbuf *b)
{
    size_t n = dns_cur_uint(c, 1);
    const uint8_t *p = dns_cur_bytes(c, n);
    for (size_t i = 0; p != NULL && i < n; i++)
        dns_text_octet(b, p[i], " \"();\\");
}

static void put_hex(struct dns_cur *c, size_t n, struct strbuf *b)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *p = dns_cur_bytes(c, n);
    for (size_t i = 0; p != NULL && i < n; i++) {
        const char two[2] = {digits[p[i] >> 4], digits[p[i] & 15]};
        strbuf_append(b, two, sizeof(two));
    }
}

static void put_hex_rest(struct dns_cur *c, struct strbuf *b)
{
    put_hex(c, c->end - c->pos, b);
}

/* NSEC3's salt: counted, "-" when it is empty (RFC 5155 §3.3). */
static void put_salt(struct dns_cur *c, struct strbuf *b)
{
    size_t n = dns_cur_uint(c, 1);
    if (n == 0)
        strbuf_putc(b, '-');
    put_hex(c, n, b);
}

/* NSEC3's next owner: counted, base32 with the extended hex alphabet, without padding (RFC 4648
 * §7). */
static void put_base32(struct dns_cur *c, struct strbuf *b)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
    size_t n = dns_cur_uint(c, 1);
    const uint8_t *p = dns_cur_bytes(c, n);
    if (n == 0)
        dns_cur_fail(c, "a hashed name is empty");
    for (size_t bit = 0; p != NULL && bit < n * 8; bit += 5) {
        size_t at = bit / 8;
        unsigned two = (unsigned)p[at] << 8 | (at + 1 < n ? p[at + 1] : 0);
        strbuf_putc(b, digits[two >> (11 - bit % 8) & 31]);
    }
}

/* RFC 7043: every octet, a hyphen between them. */
static void put_eui(struct dns_cur *c, size_t n, struct strbuf *b)
{
    const uint8_t *p = dns_cur_bytes(c, n);
    for (size_t i = 0; p != NULL && i < n; i++)
        strbuf_printf(b, "%s%02x", i == 0 ? "" : "-", p[i]);
}

#define BASE64_STEP 48 /* bytes in, a multiple of 3 */
void dns_text_base64(struct dns_cur *c, struct strbuf *b)
{
    size_t n = c->end - c->pos;
    const uint8_t *p = dns_cur_bytes(c, n);
    for (size_t at = 0; p != NULL && at < n; at += BASE64_STEP) {
        uint8_t text[BASE64_STEP / 3 * 4 + 1];
        size_t step = n - at < BASE64_STEP ? n - at : BASE64_STEP;
        int len = EVP_EncodeBlock(text, p + at, (int)step);
        strbuf_append(b, text, (size_t)len);
    }
}

static void put_address(struct dns_cur *c, int family, struct strbuf *b)
{
    char text[INET6_ADDRSTRLEN];
    const uint8_t *p = dns_cur_bytes(c, family == AF_INET ? 4 : 16);
    if (p != NULL && inet_ntop(family, p, text, sizeof(text)) != NULL)
        strbuf_puts(b, text);
}

static void put_type(struct dns_cur *c, struct strbuf *b)
{
    char text[RRTYPE_TEXT_MAX];
    strbuf_puts(b, rrtype_format((uint16_t)dns_cur_uint(c, 2), text));
}

/* RFC 4034 §3.2: YYYYMMDDHHmmSS in UTC. */
static void put_time(struct dns_cur *c, struct strbuf *b)
{
    time_t t = (time_t)dns_cur_uint(c, 4);
    struct tm tm;
    char text[32];
    if (gmtime_r(&t, &tm) != NULL && strftime(text, sizeof(text), "%Y%m%d%H%M%S", &tm) > 0)
        strbuf_puts(b, text);
}

/* The type bitmap of NSEC (RFC 4034 §4.1.2): windows of up to 32 octets. */
static void put_bitmap(struct dns_cur *c, struct strbuf *b)
{
    bool first = true;
    while (c->pos < c->end && c->why == NULL) {
        unsigned window = dns_cur_uint(c, 1), n = dns_cur_uint(c, 1);
        const uint8_t *p = dns_cur_bytes(c, n);
        if (n == 0 || n > 32)
            dns_cur_fail(c, "a type bitmap has a bad length");
        for (unsigned bit = 0; c->why == NULL && !b->overflow && bit < n * 8; bit++) {
            char text[RRTYPE_TEXT_MAX];
            if ((p[bit / 8] & (0x80 >> bit % 8)) == 0)
                continue;
            strbuf_printf(b, "%s%s", first ? "" : " ",
                          rrtype_format((uint16_t)(window << 8 | bit), text));
            first = false;
        }
    }
}

/*
 * How the RDATA of a type reads, a letter a field:
 *   4 6 address  n name  1 2 3 number of 1, 2 or 4 octets  t time  y type  h salt  o base32
 *   8 9 EUI of 48 or 64 bits  q counted string  g bare counted string; and to the end:
 *   s counted strings  v string  x hex  b base64  m bitmap  k service parameters  L location
 */
static const struct {
    uint16_t type;
    const char *fields;
} forms[] = {
    {1, "4"},          /* A */
    {2, "n"},          /* NS */
    {5, "n"},          /* CNAME */
    {6, "nn33333"},    /* SOA */
    {12, "n"},         /* PTR */
    {13, "qq"},        /* HINFO */
    {15, "2n"},        /* MX */
    {16, "s"},         /* TXT */
    {17, "nn"},        /* RP */
    {18, "2n"},        /* AFSDB */
    {24, "y113tt2nb"}, /* SIG */
    {25, "211b"},      /* KEY */
    {28, "6"},         /* AAAA */
    {29, "L"},         /* LOC */
    {33, "222n"},      /* SRV */
    {35, "22qqqn"},    /* NAPTR */
    {36, "2n"},        /* KX */
    {37, "221b"},      /* CERT */
    {39, "n"},         /* DNAME */
    {43, "211x"},      /* DS */
    {44, "11x"},       /* SSHFP */
    {46, "y113tt2nb"}, /* RRSIG */
    {47, "nm"},        /* NSEC */
    {48, "211b"},      /* DNSKEY */
    {49, "b"},         /* DHCID */
    {50, "112hom"},    /* NSEC3 */
    {51, "112h"},      /* NSEC3PARAM */
    {52, "111x"},      /* TLSA */
    {53, "111x"},      /* SMIMEA */
    {59, "211x"},      /* CDS */
    {60, "211b"},      /* CDNSKEY */
    {61, "b"},         /* OPENPGPKEY */
    {62, "32m"},       /* CSYNC */
    {63, "311x"},      /* ZONEMD */
    {64, "2nk"},       /* SVCB */
    {65, "2nk"},       /* HTTPS */
    {99, "s"},         /* SPF */
    {108, "8"},        /* EUI48 */
    {109, "9"},        /* EUI64 */
    {256, "22v"},      /* URI */
    {257, "1gv"},      /* CAA */
    {32769, "211x"},   /* DLV */
};

static const char *form_of(uint16_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (forms[i].type == type)
            return forms[i].fields;
    return NULL;
}

static void put_field(struct dns_cur *c, char field, struct strbuf *b)
{
    switch (field) {
    case '4':
        return put_address(c, AF_INET, b);
    case '6':
        return put_address(c, AF_INET6, b);
    case 'n':
        return dns_cur_name(c, b);
    case '1':
    case '2':
        return strbuf_u64(b, dns_cur_uint(c, (unsigned)(field - '0')));
    case '3':
        return strbuf_u64(b, dns_cur_uint(c, 4));
    case 't':
        return put_time(c, b);
    case 'y':
        return put_type(c, b);
    case 'q':
        return dns_text_quoted(c, dns_cur_uint(c, 1), b);
    case 's':
        return put_strings(c, b);
    case 'g':
        return put_tag(c, b);
    case 'v':
        return dns_text_quoted(c, c->end - c->pos, b);
    case 'x':
        return put_hex_rest(c, b);
    case 'b':
        return dns_text_base64(c, b);
    case 'm':
        return put_bitmap(c, b);
    case 'h':
        return put_salt(c, b);
    case 'o':
        return put_base32(c, b);
    case '8':
        return put_eui(c, 6, b);
    case '9':
        return put_eui(c, 8, b);
    case 'k':
        return dns_svcb_params(c, b);
    case 'L':
        return dns_loc(c, b);
    default:
        UNREACHABLE("a field letter of our own table");
    }
}

void dns_text_rdata(struct dns_cur *c, uint16_t type, bool generic, struct strbuf *b)
{
    const char *fields = generic || dns_loc_unknown(c, type) ? NULL : form_of(type);
    if (fields == NULL) {
        strbuf_printf(b, c->end > c->pos ? "\\# %zu " : "\\# %zu", c->end - c->pos);
        put_hex_rest(c, b);
        return;
    }
    for (const char *f = fields; *f != '\0'; f++) {
        if (c->pos == c->end && strchr("xbmk", *f) != NULL)
            break; /* a list without a member: no blank before it either */
        if (f != fields)
            strbuf_putc(b, ' ');
        put_field(c, *f, b);
    }
    if (c->pos != c->end)
        dns_cur_fail(c, "a record is longer than its type allows");
}

/* One octet of a label: plain, \X or \DDD. Moves *sp behind it; -1: a bad escape. */
static int take_octet(const char **sp)
{
    const uint8_t *s = (const uint8_t *)*sp;
    *sp += 1;
    if (s[0] != '\\')
        return s[0];
    *sp += 1;
    if (s[1] < '0' || s[1] > '9')
        return s[1] != '\0' ? s[1] : -1;
    for (int i = 2; i <= 3; i++)
        if (s[i] < '0' || s[i] > '9')
            return -1;
    *sp += 2;
    int v = (s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0');
    return v <= UINT8_MAX ? v : -1;
}

static bool take_label(const char **sp, uint8_t label[LABEL_MAX], size_t *n)
{
    *n = 0;
    while (**sp != '\0' && **sp != '.') {
        int octet = take_octet(sp);
        if (octet < 0 || *n == LABEL_MAX)
            return false;
        label[(*n)++] = (uint8_t)octet;
    }
    return *n > 0;
}

size_t dns_text_to_wire(const char *name, uint8_t *out, size_t cap)
{
    size_t len = 0;
    if (strcmp(name, ".") == 0)
        name = "";
    for (const char *s = name; *s != '\0';) {
        uint8_t label[LABEL_MAX];
        size_t n;
        if (!take_label(&s, label, &n) || len + n + 2 > DNS_NAME_WIRE_MAX || len + n + 2 > cap)
            return 0;
        out[len] = (uint8_t)n;
        memcpy(out + len + 1, label, n);
        len += n + 1;
        if (*s == '.')
            s++;
    }
    if (len >= cap)
        return 0;
    out[len] = 0;
    return len + 1;
}
