/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * limits - every bound that both sides must agree on, with its reason. Bounds of one program live
 * beside its code.
 */

/* Wire */
#define PROTO_VERSION_MIN 1
#define PROTO_VERSION_MAX 1
#define PROTO_SUBPROTOCOL "sonde.v1"
#define LINE_MAX_BYTES    (1024 * 1024) /* one message; over it the peer is closed with 1009 */
#define FRAME_COALESCE_BYTES                                                                       \
    (64 * 1024) /* many lines a frame up to here: 5 times cheaper than a frame each */
#define TASK_MAX_BYTES      (64 * 1024) /* a TASK line: fits any byte window after at most one wait */
#define RESULT_MAX_BYTES    (128 * 1024) /* a RESULT line */
#define INFLIGHT_MAX        131072       /* INFLIGHT lines of one HELLO */
#define ACK_TASKS_MAX       1000         /* ids in one RESULTS_ACK, one CANCEL */
#define RESULT_ENVELOPE_MAX 512          /* what a RESULT line holds besides its record */
#define MESSAGE_TEXT_MAX    1024 /* a reason, a detail, a trouble: encoders cut, decoders refuse */
#define MESSAGE_ID_MAX      64   /* session, store, version: [A-Za-z0-9._+-] */
#define CAPABILITIES_MAX    16
#define DENY_MAX            64                       /* CIDRs in a WELCOME */
#define JSON_COUNT_MAX      ((INT64_C(1) << 53) - 1) /* the largest count or byte number on the wire */

/* Close codes (RFC 6455 §7.4; 44xx ours) */
#define CLOSE_NORMAL        1000
#define CLOSE_GOING_AWAY    1001
#define CLOSE_PROTOCOL      1002 /* frames that RFC 6455 forbids */
#define CLOSE_POLICY        1008 /* malformed message */
#define CLOSE_TOO_BIG       1009
#define CLOSE_REPLACED      4401 /* the same agent connected anew */
#define CLOSE_REVOKED       4403 /* its token was revoked */
#define CLOSE_OVER_CREDIT   4408 /* more tasks than the credit allowed */
#define CLOSE_SILENT        4409 /* nothing heard for the timeout */
#define CLOSE_HELLO_TIMEOUT 4410
#define CLOSE_VERSION       4411
#define CLOSE_CLONE         4412 /* two processes fight over one name */
#define CLOSE_WRITE_STALLED 4413
#define CLOSE_KICKED        4414

/* Times */
#define HEARTBEAT_MS      5000
#define SUSPECT_MS        10000
#define DEAD_MS           15000
#define HELLO_DEADLINE_MS 10000
#define ORPHAN_GRACE_MS   15000
#define DRAIN_MS          35000
/* Two clocks that differ by more (beyond half a round trip, which is not known better) are told.
 * A leap second, stepped over or smeared over a day, is not. */
#define CLOCK_SKEW_MS 2000

/* Work that stands still, whatever the link does */
#define STALLED_OVERDUE_MS 5000 /* a started probe is beyond its own time-out by so much */
#define STALLED_STILL_MS                                                                           \
    35000 /* tasks wait and none starts or ends: the longest time-out, and that much more */

/* Flow control */
#define BYTE_WINDOW_MIN  (16 * 1024)
#define BYTE_WINDOW_MAX  (256 * 1024)
#define BYTE_WINDOW_MS   2000  /* window = what came in this time: byte_window.h */
#define CREDIT_TASKS_MAX 65536 /* beyond what an agent may claim over received */

/* Names */
#define AGENT_NAME_MAX  64 /* [A-Za-z0-9][A-Za-z0-9._-]* */
#define INSTANCE_ID_LEN 32 /* hex */
#define TAGS_MAX        32
#define TAG_KEY_MAX     64
#define TAG_VALUE_MAX   128
#define TOKEN_MAX       128
#define CAUSE_MAX       40

/* Events, as the API tells them and the store keeps them */
#define EVENT_KIND_MAX     32   /* with its NUL */
#define EVENT_DETAIL_MAX   400  /* a bulk loss with its evidence; longer ones are cut */
#define EVENT_EVIDENCE_MAX 1024 /* a JSON object; what would be longer is a bug */

/* Targets */
#define URI_MAX          8192
#define USER_ID_MAX      256
#define HEADERS_MAX      64
#define HEADER_NAME_MAX  256
#define HEADER_VALUE_MAX 8192
#define REQUEST_BODY_MAX (32 * 1024)
#define REGEX_MAX        1024
#define EDNS_SIZE        1232 /* fits every path unfragmented (DNS flag day 2020) */
#define EDNS_SIZE_MIN    512
#define EDNS_SIZE_MAX    4096
#define ANSWERS_MAX      64   /* in one list of expected answers */
#define ANSWER_DATA_MAX  1024 /* a TXT of four strings */
#define TIMEOUT_MS_MAX   30000
#define HTTP_TIMEOUT_MS  10000
#define RETRIES_MAX      5
#define DNS_TIMEOUT_MS   5000
#define REDIRECTS_MAX    5
#define BODY_LIMIT_BYTES (1024 * 1024)
#define BODY_LIMIT_MAX   (16 * 1024 * 1024)
#define KEEP_BODY_MAX    (64 * 1024)
#define WIRE_LIMIT_MAX   (64 * 1024 * 1024)
#define WIRE_SPARE_BYTES (512 * 1024) /* headers, certificates, framing, beside the body */
#define AUTH_USER_MAX    256
#define AUTH_SECRET_MAX  4096 /* a password or a bearer token; in base64 it fits a header line */
#define PROXY_SECRET_MAX 255  /* a user or a password: SOCKS5 has one byte for the length */
#define CA_PEM_MAX       (16 * 1024) /* a TASK line carries all of them */
#define CERT_PEM_MAX     (16 * 1024)
#define KEY_PEM_MAX      (8 * 1024) /* an RSA key of 8192 bits has 6.4 KiB */
/* With the five checks that stand alone they fit RESULT_CHECKS_MAX. */
#define EXPECT_HEADERS_MAX     8
#define EXPECT_JSON_MAX        16
#define JSON_PATH_MAX          256
#define JSON_PATH_SEGMENTS_MAX 32
#define SPEC_MAX_BYTES         (60 * 1024) /* an encoded spec: a TASK line less its envelope */

/* Batches */
#define BATCH_TARGETS_MAX  10000000
#define BATCH_NAME_MAX     256
#define LABELS_MAX         32
#define DEADLINE_S_DEFAULT 86400
#define DEADLINE_S_MAX     (30 * 86400)
#define PER_HOST_DEFAULT   8
#define PER_HOST_MAX       10000
#define PER_HOST_RATE_MIN  0.01 /* starts a second: one in 100 s; 0 = no limit */
#define PER_HOST_RATE_MAX  10000
#define ATTEMPTS_MAX       5
#define AGENTS_COUNT_MAX   256 /* agents that one target is probed from */
