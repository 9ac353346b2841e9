/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "common/list.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * mailbox - where threads meet: a bounded queue from many senders to one receiver.
 *
 * Letters are caller-owned nodes embedded in the sender's struct; ownership passes with a
 * successful post. The bound is in letters and in bytes (each letter says its weight). `wake` runs
 * on the sender's thread, outside the lock, when the box goes from empty to not empty; it must be
 * quick and safe on any thread (eventfd write, uv_async_send, lws_cancel_service). Lock rule: one
 * mutex per box, held for list surgery only; nothing is called under it.
 */
struct letter {
    struct list_node node;
    size_t weight_bytes;
};
typedef void mailbox_wake_f(void *arg);

struct mailbox;

struct mailbox *mailbox_create(const char *name, size_t max_letters, size_t max_bytes,
                               mailbox_wake_f *wake, void *arg);
/* The box must be empty: whoever owns the receiver drains it first. Nulls *mp. */
void mailbox_destroy(struct mailbox **mp);

/* Takes l on success. ERR_FULL (counted) or ERR_CLOSED: l stays with the caller. */
MUST_USE enum err mailbox_post(struct mailbox *m, struct letter *l);

/* Like post, but past the bounds: only for the reply to a request that was itself bounded. Never
 * ERR_FULL. */
MUST_USE enum err mailbox_post_reply(struct mailbox *m, struct letter *l);

/* The same for all letters of a list at once, with one wake; the list is empty after success. */
MUST_USE enum err mailbox_post_replies(struct mailbox *m, struct list *letters);

/* Detaches everything into *out (an initialised list of letter.node) without blocking. Receiver
 * only. */
size_t mailbox_take_all(struct mailbox *m, struct list *out);

/* The same, but waits until there is something, the box is closed, or timeout_ms passed (−1: no
 * limit). */
size_t mailbox_wait(struct mailbox *m, struct list *out, int timeout_ms);

/* Further posts get ERR_CLOSED; a waiting receiver wakes. What is inside stays to be taken. */
void mailbox_close(struct mailbox *m);

/* True once closed and drained. */
bool mailbox_finished(struct mailbox *m);

struct mailbox_stats {
    size_t letters, bytes, max_letters, max_bytes;
    uint64_t posted, refused;
};
void mailbox_stats(struct mailbox *m, struct mailbox_stats *out); /* any thread */
