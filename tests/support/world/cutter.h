/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>
#include <stdint.h>

/*
 * cutter - a relay to a port of 127.0.0.1 that falls silent towards the client after so many bytes,
 * in the middle of whatever they are. The connection stays until the client ends it.
 */
void cutter_serve(int listen_fd, uint16_t to_port, size_t bytes);
