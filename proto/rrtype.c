/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "common/ids.h"
#include "proto/target.h"

struct name_number {
    const char *name;
    int number;
};

/* IANA, DNS parameters: resource record types. */
static const struct name_number types[] = {
    {"A", 1},           {"NS", 2},      {"CNAME", 5},   {"SOA", 6},       {"PTR", 12},
    {"HINFO", 13},      {"MX", 15},     {"TXT", 16},    {"RP", 17},       {"AFSDB", 18},
    {"SIG", 24},        {"KEY", 25},    {"AAAA", 28},   {"LOC", 29},      {"SRV", 33},
    {"NAPTR", 35},      {"KX", 36},     {"CERT", 37},   {"DNAME", 39},    {"OPT", 41},
    {"APL", 42},        {"DS", 43},     {"SSHFP", 44},  {"IPSECKEY", 45}, {"RRSIG", 46},
    {"NSEC", 47},       {"DNSKEY", 48}, {"DHCID", 49},  {"NSEC3", 50},    {"NSEC3PARAM", 51},
    {"TLSA", 52},       {"SMIMEA", 53}, {"HIP", 55},    {"CDS", 59},      {"CDNSKEY", 60},
    {"OPENPGPKEY", 61}, {"CSYNC", 62},  {"ZONEMD", 63}, {"SVCB", 64},     {"HTTPS", 65},
    {"SPF", 99},        {"EUI48", 108}, {"EUI64", 109}, {"TKEY", 249},    {"TSIG", 250},
    {"IXFR", 251},      {"AXFR", 252},  {"ANY", 255},   {"URI", 256},     {"CAA", 257},
    {"DLV", 32769},
};

/* IANA, DNS parameters: RCODEs. The first name of a number is the one we write. */
static const struct name_number rcodes[] = {
    {"NOERROR", 0},  {"FORMERR", 1},    {"SERVFAIL", 2}, {"NXDOMAIN", 3},  {"NOTIMP", 4},
    {"REFUSED", 5},  {"YXDOMAIN", 6},   {"YXRRSET", 7},  {"NXRRSET", 8},   {"NOTAUTH", 9},
    {"NOTZONE", 10}, {"DSOTYPENI", 11}, {"BADVERS", 16}, {"BADKEY", 17},   {"BADTIME", 18},
    {"BADMODE", 19}, {"BADNAME", 20},   {"BADALG", 21},  {"BADTRUNC", 22}, {"BADCOOKIE", 23},
};
#define RCODE_MAX 23

/* IANA, DNS parameters: extended DNS error codes, by number. */
static const char *const edes[] = {
    "Other Error",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
    "Signature Expired before Valid",
    "Too Early",
    "Unsupported NSEC3 Iterations Value",
    "Unable to conform to policy",
    "Synthesized",
};

static int number_of(const struct name_number *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(table[i].name, name) == 0)
            return table[i].number;
    return -1;
}

static const char *name_of(const struct name_number *table, size_t n, int number)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].number == number)
            return table[i].name;
    return NULL;
}

enum err rrtype_parse(const char *text, uint16_t *out)
{
    uint64_t v;
    int known = number_of(types, ARRAY_LEN(types), text);
    if (known >= 0) {
        *out = (uint16_t)known;
        return ERR_NONE;
    }
    if (strncasecmp(text, "TYPE", 4) == 0)
        text += 4;
    if (u64_parse(text, strlen(text), &v) != ERR_NONE || v == 0 || v > UINT16_MAX)
        return ERR_INVALID;
    *out = (uint16_t)v;
    return ERR_NONE;
}

const char *rrtype_format(uint16_t type, char buf[RRTYPE_TEXT_MAX])
{
    const char *name = name_of(types, ARRAY_LEN(types), type);
    if (name != NULL)
        memcpy(buf, name, strlen(name) + 1); /* every name of the table fits */
    else
        snprintf(buf, RRTYPE_TEXT_MAX, "TYPE%u", type);
    return buf;
}

enum err rcode_parse(const char *text, int *out)
{
    uint64_t v;
    int known = number_of(rcodes, ARRAY_LEN(rcodes), text);
    if (known >= 0) {
        *out = known;
        return ERR_NONE;
    }
    if (u64_parse(text, strlen(text), &v) != ERR_NONE || v > RCODE_MAX)
        return ERR_INVALID;
    *out = (int)v;
    return ERR_NONE;
}

const char *rcode_text(int rcode)
{
    return name_of(rcodes, ARRAY_LEN(rcodes), rcode);
}

const char *ede_text(int code)
{
    return code >= 0 && (size_t)code < ARRAY_LEN(edes) ? edes[code] : NULL;
}
