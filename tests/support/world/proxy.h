/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * proxy - proxies of the test world, good and bad, HTTP CONNECT and SOCKS5 on one port.
 *
 * They connect to literal addresses alone. The user that PROXY_WANTS_USER knows is ann, with the
 * password pa55.
 */
enum proxy_mode {
    PROXY_WORKS,
    PROXY_WANTS_USER, /* 407; or no other method than the user and the password */
    PROXY_REFUSES,    /* 403; or "not allowed by its rules" */
    PROXY_FAILS,      /* 502; or "host unreachable", whatever it is asked for */
    PROXY_SILENT,     /* reads, and never answers */
    PROXY_GARBAGE,    /* speaks another protocol */
    PROXY_DRIPS,      /* works, and says so one byte at a time */
    PROXY_MODES
};

void proxy_serve(int listen_fd, enum proxy_mode mode);
