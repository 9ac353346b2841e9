/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/options.h"
#include "common/strbuf.h"

/*
 * target_flags - the options of one target as flags of a command line, the same in every program
 * that probes one.
 *
 * Main thread, at start. Flags only build the object that target_from_json() reads: that alone
 * judges values, so a value travels as it was given. The words are curl's and dig's where these
 * have one.
 */
struct target_flags { /* filled by options; NULL, false and empty lists: not given */
    char *type, *timeout_ms, *retries, *dns_server;
    char *method, *body, *user, *bearer, *http_version, *max_redirects;
    char *proxy, *sni, *cacert, *cert, *key, *body_limit, *keep_body, *wire_limit, *edns;
    bool ipv4, ipv6, no_follow, insecure, no_compression, tcp, norecurse, dnssec;
    char *expect_body, *expect_not_body, *max_total_ms, *tls_min_days;
    char *expect_rcode, *expect_answer_regex, *min_answers;
    struct option_list headers, expect_status, expect_headers, expect_json;
    struct option_list expect_answers, expect_only_answers;
};

/* Appends their options to table, which has room for `room` of them; base is the offset of the
 * struct target_flags in the values. Returns how many there are. */
#define TARGET_FLAGS_MAX 48
size_t target_flags_options(struct option *table, size_t room, size_t base);

/* The name of a flag that was given, without "--"; NULL = none was. */
const char *target_flags_given(const struct target_flags *f);

/*
 * Appends the object to out, which is empty: of a target that is a URI, an object itself, or a bare
 * name beside --type. Flags replace members of an object; `expect` and headers are joined.
 * ERR_INVALID: why says what is wrong with which flag.
 */
MUST_USE enum err target_flags_encode(const struct target_flags *f, const char *target,
                                      struct strbuf *out, char *why, size_t why_max);

/* What the validator says of the object, with the flag's name in place of the member's that it
 * gave: into out[max], cut if need be. */
void target_flags_explain(const struct target_flags *f, const char *said, char *out, size_t max);
