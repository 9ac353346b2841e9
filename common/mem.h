/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stddef.h>

/*
 * mem - allocation that cannot fail, and the form for sizes that a peer chose.
 *
 * Any thread. The mem_* functions abort when memory is out (small, bounded allocations only); a
 * size that comes from outside is bounded first and uses mem_try. Freed with free().
 */
void *mem_alloc(size_t n);  /* uninitialised */
void *mem_zalloc(size_t n); /* zeroed */
void *mem_realloc(void *p, size_t n);
void *mem_array(size_t count, size_t size); /* zeroed; aborts on overflow */
char *mem_strdup(const char *s);            /* NULL stays NULL */
char *mem_strndup(const char *s, size_t n);
void *mem_dup(const void *p, size_t n);

/* NULL when there is no memory. */
void *mem_try(size_t n);

/* Overwrites n bytes in a way the compiler keeps, then frees: for secrets. */
void mem_free_secret(void *p, size_t n);
