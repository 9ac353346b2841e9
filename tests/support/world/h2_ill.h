/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/world/conn.h"

/*
 * h2_ill - HTTP/2 servers that are wrong in one way each: floods of frames, headers that explode,
 * streams that end as none should. The frames are written byte by byte; what the client says is not
 * read beyond its preface. After certs_init().
 */
struct h2_ill {
    const char *name; /* of its port in the world's JSON */
    const char *head;
    size_t head_len;
    const char *unit; /* a frame that comes over and over; NULL = none */
    size_t unit_len;
    enum conn_after after;
};
extern const struct h2_ill h2_ills[];
extern const size_t n_h2_ills;

/* Serves h2_ills[i] on that socket. */
void h2_ill_serve(int listen_fd, size_t i);
