/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/probe/dns_wire.h"
#include "proto/target.h"

/*
 * dns_answers - the data of answers against what a target expects of it. Pure but for the clock
 * that bounds hostile regular expressions.
 *
 * Only kept answers of the type asked for count (of ANY: all). Data is compared as presentation
 * form; domain names without regard to case and a last dot, addresses by value, TXT by its octets,
 * its strings joined: "v=spf1 -all" as a zone file has it, with quotes, and without them.
 */
bool dns_answers_data_equal(const char *type, const char *got, const char *want);

/* Each NULL when it holds; else what is wrong, in why[max]. */
const char *dns_answers_contain(const struct target_dns *d, const struct dns_message *m, char *why,
                                size_t max);
const char *dns_answers_equal(const struct target_dns *d, const struct dns_message *m, char *why,
                              size_t max);
const char *dns_answers_match(const struct target_dns *d, const struct dns_message *m, char *why,
                              size_t max);
