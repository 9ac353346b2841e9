/* SPDX-License-Identifier: MIT */
#include "agent/probe_print.h"
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "tests/support/check_main.h"

static struct target target;
static struct result *result;
static char *page;
static const struct wall now = {.us = 1800000000000000LL};

static void setup(void)
{
    static char uri[] = "https://example.com/";
    target = (struct target){.kind = TARGET_HTTP, .uri = uri};
    result = result_create(1, NULL);
    page = NULL;
}

static void teardown(void)
{
    result_destroy(&result);
    free(page);
}

static void print(void)
{
    size_t len;
    FILE *f = open_memstream(&page, &len);
    ck_assert_ptr_nonnull(f);
    probe_print(&target, result, now, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void has(const char *text)
{
    ck_assert_msg(strstr(page, text) != NULL, "no '%s' in\n%s", text, page);
}

static void lacks(const char *text)
{
    ck_assert_msg(strstr(page, text) == NULL, "'%s' in\n%s", text, page);
}

START_TEST(test_failure_names_cause_sentence_and_fault)
{
    result_end(result, CAUSE_tls_expired, "expired on 2026-01-01");
    print();
    has("outcome     failed: tls_expired (at fault: target)\n");
    has("message     expired on 2026-01-01\n");
}
END_TEST

START_TEST(test_success_has_no_message)
{
    result_end(result, CAUSE_NONE, NULL);
    print();
    has("outcome     ok\n");
    lacks("message");
}
END_TEST

START_TEST(test_phases_stand_one_behind_the_other)
{
    result->t.dns_ms = 10;
    result->t.connect_ms = 10;
    result->t.total_ms = 20;
    result_end(result, CAUSE_NONE, NULL);
    print();
    has("dns              10.0 ms  ######################\n");
    has("connect          10.0 ms                        ######################\n");
    has("total            20.0 ms\n");
}
END_TEST

START_TEST(test_phase_that_never_happened_is_not_shown)
{
    result->t.dns_ms = 1;
    result_end(result, CAUSE_NONE, NULL);
    print();
    lacks("tls ");
    lacks("wait ");
}
END_TEST

START_TEST(test_phase_without_length_still_has_a_mark)
{
    result->t.dns_ms = 100;
    result->t.send_ms = 0;
    result_end(result, CAUSE_NONE, NULL);
    print();
    has("send              0.0 ms                                             #\n");
}
END_TEST

START_TEST(test_foreign_text_cannot_drive_the_terminal)
{
    struct result_http *h = mem_zalloc(sizeof(*h));
    h->title = mem_strdup("a\x1b[2Jb\x07\xc2\x9b"
                          "c\xc3\xa9");
    h->size_bytes = -1;
    result->http = h;
    result_end(result, CAUSE_NONE, NULL);
    print();
    has("title       a?[2Jb??c\xc3\xa9\n");
}
END_TEST

START_TEST(test_certificate)
{
    struct result_http *h = mem_zalloc(sizeof(*h));
    h->size_bytes = -1;
    h->tls = mem_zalloc(sizeof(*h->tls));
    h->tls->subject = mem_strdup("CN=example.com");
    h->tls->verify_error = mem_strdup("certificate has expired");
    h->tls->not_after = (struct wall){.us = now.us - 3LL * 86400 * 1000000};
    result->http = h;
    result_end(result, CAUSE_tls_expired, NULL);
    print();
    has("verified    certificate has expired\n");
    has("(3 days ago)\n");
}
END_TEST

START_TEST(test_chain_and_key)
{
    struct result_http *h = mem_zalloc(sizeof(*h));
    struct result_tls *t = mem_zalloc(sizeof(*t));
    *h = (struct result_http){.size_bytes = -1, .tls = t};
    result->http = h;
    t->key_type = mem_strdup("EC");
    t->key_bits = 256;
    t->signature = mem_strdup("ecdsa-with-SHA256");
    t->alpn = mem_strdup("h2");
    t->staple = STAPLE_SEEN;
    t->sent_chain = 4;
    t->n_chain = 2;
    t->chain = mem_array(2, sizeof(*t->chain));
    t->chain[1].subject = mem_strdup("CN=sub\x1b");
    t->chain[1].not_after.us = now.us - 3600000000LL;
    result_end(result, CAUSE_NONE, NULL);
    print();
    has("alpn        h2\n");
    has("ocsp        stapled\n");
    has("key         EC, 256 bits, signed with ecdsa-with-SHA256\n");
    has("chain       CN=sub?, until 2027-01-15 (-1 days)\n");
    has("and 2 more\n");
}
END_TEST

START_TEST(test_dns_sections)
{
    struct result_dns *d = mem_zalloc(sizeof(*d));
    d->server = mem_strdup("192.0.2.53:53");
    d->transport = mem_strdup("tcp");
    d->truncated = d->qr = d->aa = true;
    d->size_bytes = 44;
    d->sections[0] = mem_array(1, sizeof(struct result_rr));
    d->n_sections[0] = 1;
    d->sections[0][0] = (struct result_rr){
        .name = mem_strdup("a."), .type = mem_strdup("MX"), .data = mem_strdup("10 b."), .ttl = 7};
    d->edns = mem_zalloc(sizeof(*d->edns));
    *d->edns = (struct result_edns){.udp_size = 512, .dnssec_ok = true, .n_ede = 1};
    d->edns->ede[0] = (struct result_ede){.code = 3, .text = mem_strdup("a\x1b")};
    result->dns = d;
    result_end(result, CAUSE_NONE, NULL);
    print();
    has("server      192.0.2.53:53 over tcp, after a truncated answer over udp\n");
    has("rcode       NOERROR (0)\n");
    has("flags       qr aa\n");
    has("edns        version 0, 512 bytes, do\n");
    has("error       Stale Answer (3): a?\n");
    has("answer\n  a.  7  MX  10 b.\n");
    lacks("authority");
}
END_TEST

START_TEST(test_international_name_is_shown_beside_its_ascii_form)
{
    struct result_dns *d = result->dns = mem_zalloc(sizeof(*d));
    d->server = mem_strdup("192.0.2.53:53");
    d->transport = mem_strdup("udp");
    d->sections[0] = mem_array(1, sizeof(struct result_rr));
    d->n_sections[0] = 1;
    d->sections[0][0] = (struct result_rr){.name = mem_strdup("xn--bcher-kva.de."),
                                           .type = mem_strdup("A"),
                                           .data = mem_strdup("192.0.2.1"),
                                           .ttl = 7};
    result_end(result, CAUSE_NONE, NULL);
    print();
    has("  xn--bcher-kva.de. (b\xc3\xbc"
        "cher.de.)  7  A  192.0.2.1\n");
}
END_TEST

START_TEST(test_tries)
{
    result_end(result, CAUSE_dns_servfail, "it said SERVFAIL");
    result_try_over(result, (struct wall){0}, 1.25);
    result_end(result, CAUSE_NONE, NULL);
    print();
    has("tries before\n  1  dns_servfail after 1.2 ms: it said SERVFAIL\n");
}
END_TEST

START_TEST(test_checks)
{
    result_check_add(result, "status", true, NULL);
    result_check_add(result, "body_regex", false, "no match");
    result_end(result, CAUSE_body_mismatch, NULL);
    print();
    has("  ok    status\n");
    has("  FAIL  body_regex: no match\n");
}
END_TEST

TESTS(page_tests, test_failure_names_cause_sentence_and_fault, test_success_has_no_message,
      test_phases_stand_one_behind_the_other, test_phase_that_never_happened_is_not_shown,
      test_phase_without_length_still_has_a_mark, test_foreign_text_cannot_drive_the_terminal,
      test_certificate, test_chain_and_key, test_dns_sections,
      test_international_name_is_shown_beside_its_ascii_form, test_tries, test_checks)
static TCase *pages(void)
{
    TCase *tc = page_tests();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("probe_print", pages)
