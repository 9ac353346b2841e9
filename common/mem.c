/* SPDX-License-Identifier: MIT */
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

/* malloc(0) may answer NULL, which must not look like "no memory". */
static size_t at_least_one(size_t n)
{
    return n ? n : 1;
}

void *mem_alloc(size_t n)
{
    void *p = malloc(at_least_one(n));
    REQUIRE(p != NULL);
    return p;
}

void *mem_zalloc(size_t n)
{
    void *p = calloc(1, at_least_one(n));
    REQUIRE(p != NULL);
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *q = realloc(p, at_least_one(n));
    REQUIRE(q != NULL);
    return q;
}

void *mem_array(size_t count, size_t size)
{
    size_t bytes;
    REQUIRE(!__builtin_mul_overflow(count, size, &bytes));
    return mem_zalloc(bytes);
}

char *mem_strdup(const char *s)
{
    return s ? mem_dup(s, strlen(s) + 1) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
    REQUIRE(s != NULL);
    size_t len = strnlen(s, n);
    char *p = mem_alloc(len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

void *mem_dup(const void *p, size_t n)
{
    REQUIRE(p != NULL || n == 0);
    void *q = mem_alloc(n);
    if (n > 0)
        memcpy(q, p, n);
    return q;
}

void *mem_try(size_t n)
{
    return malloc(at_least_one(n));
}

void mem_free_secret(void *p, size_t n)
{
    if (!p)
        return;
    explicit_bzero(p, n);
    free(p);
}
