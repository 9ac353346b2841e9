/* SPDX-License-Identifier: MIT */
#pragma once

/* idn - domain names as people write them (RFC 5890). Pure; any thread. */

/*
 * The name, in presentation form and maybe a stranger's, with its A-labels (xn--…) as U-labels, in
 * UTF-8; a last dot stays. NULL when there are none, or one that is no valid encoding: what this
 * returns leads back to the same name. Caller frees.
 */
char *idn_unicode(const char *name);
