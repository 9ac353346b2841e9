/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/digest.h"
#include "common/ids.h"
#include <stdint.h>

/*
 * ticket - the proof that the master leased this task to this agent, so that leases need no disk
 * write.
 *
 * Text: KEYID.EPOCH.COUNTER.MAC, MAC = first 16 bytes (hex) of HMAC-SHA256(key, batch UUID ‖ task ‖
 * agent ‖ epoch ‖ counter), each part length-prefixed. EPOCH is the master's boot count, COUNTER
 * counts leases within it. Owned by the hub thread.
 */
#define TICKET_TEXT_MAX  96
#define TICKET_KEY_BYTES 32
#define TICKET_KEYS_MAX  32

struct lease_no {
    uint64_t epoch, counter;
};
struct ticket_key {
    uint32_t id;
    uint8_t bytes[TICKET_KEY_BYTES];
};
struct ticket_ring; /* the newest key signs, all verify */
struct ticket_ring *
ticket_ring_create(const struct ticket_key *keys,
                   size_t n); /* 1 ≤ n ≤ TICKET_KEYS_MAX; the last is the newest */
void ticket_ring_destroy(struct ticket_ring **rp);

void ticket_make(struct ticket_ring *r, const char *batch_uuid, uint64_t task, const char *agent,
                 struct lease_no lease, char out[TICKET_TEXT_MAX]);
/* ERR_INVALID: not a ticket; ERR_DENIED: MAC does not fit or the key is unknown. */
MUST_USE enum err ticket_verify(struct ticket_ring *r, const char *text, const char *batch_uuid,
                                uint64_t task, const char *agent, struct lease_no *lease);
/* Reads the lease number without proof. */
MUST_USE enum err ticket_peek(const char *text, struct lease_no *lease);
/* The MAC as it stands in a ticket that ticket_make gave or ticket_peek took: TICKET_PROOF_LEN
 * characters at its end. Whoever remembers that of a lease need not compute it again. */
#define TICKET_PROOF_LEN 32
const char *ticket_proof(const char *text);
