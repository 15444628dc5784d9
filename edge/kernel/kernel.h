/* The wasm kernel: the decision function of edge/decision once more, in freestanding C11.
 *
 *     verdict | code = proffer_decide(opened bundle, manifest block, encoded request)
 *
 * Same bytes in, same bytes out as `edge.decision.decide.decide`: that is the definition,
 * this is a translation that tests hold to it.  No libc, no floats, no allocation, no
 * imports, no recursion; all memory is the caller's.
 *
 * How to use it:
 *
 *     1. Have the whole bundle in memory, and SLACK readable bytes behind it (their values
 *        do not matter: columns are read eight bytes at a time).  It is read in place: it
 *        stays where it is, unchanged, for as long as it is used.
 *     2. Ask `proffer_scratch_bytes` how much working memory it needs; have that much, at
 *        a multiple of 8.
 *     3. `proffer_open` validates all of the bundle, once, and makes its index in scratch.
 *     4. `proffer_decide`, as often as wanted.  It writes the verdict and says its length.
 *
 * Limits:
 *
 *     bundle      64 MiB; offers, rungs, clauses, cells: what `tables.py` and `wellformed.py`
 *                 allow.  Everything is below 2^53, as `bounds.py` proves when it is opened.
 *     request     64 KiB, 64 placements, 64 taken arms, 48 caps and 48 kept choices
 *     verdict     PROFFER_VERDICT_BYTES at most
 *     stack       less than 12 KiB, whatever the bundle
 *     scratch     `proffer_scratch_bytes`: at most 2 MiB of it are the memory of accepting
 *                 sets (or 16 of those sets, where that is more)
 *
 * A scratch belongs to one call at a time; several may share a bundle.  The kernel does not
 * judge the `notes` of a bundle (the texts that hosts show): it skips them, where Python
 * refuses what does not decode, with TEXT.  All else is refused with the same code.
 */
#ifndef PROFFER_KERNEL_H
#define PROFFER_KERNEL_H

#include <stdint.h>

#define PROFFER_SLACK 8
#define PROFFER_VERDICT_BYTES (16 + 1024 * (64 + 2 * 32 * 8))

/* Codes.  Those of a bundle and a request are -1 and -17, minus the place of their name in
 * `errors.py`; the others are only the kernel's. */
enum {
    PROFFER_BUNDLE_SIZE = -1,
    PROFFER_BUNDLE_MAGIC = -2,
    PROFFER_BUNDLE_FORMAT = -3,
    PROFFER_BUNDLE_SECTION = -4,
    PROFFER_BUNDLE_COLUMN = -5,
    PROFFER_BUNDLE_TABLE = -6,
    PROFFER_BUNDLE_MEANING = -8,
    PROFFER_REQUEST_ENCODING = -20,
    PROFFER_SCRATCH = -33, /* scratch is too small, or not at a multiple of 8 */
    PROFFER_OUT = -34,     /* the verdict does not fit into `out` */
    PROFFER_CLOSED = -35,  /* no bundle was opened in this scratch */
};

/* Working memory for this bundle in bytes.  Only its header is looked at: 0 if that cannot
 * be one (`proffer_open` with a scratch of 0 bytes then says why). */
uint32_t proffer_scratch_bytes(const uint8_t *bundle, uint32_t size);

/* 0, or a code. */
int32_t proffer_open(const uint8_t *bundle, uint32_t size, uint8_t *scratch, uint32_t scratch_size);

/* Length of the verdict in bytes, or a code.  Neither input may overlap `out`. */
int32_t proffer_decide(uint8_t *scratch, const uint8_t *block, uint32_t block_size,
                       const uint8_t *request, uint32_t request_size, uint8_t *out,
                       uint32_t out_size);

/* The 32 bytes of SHA-256(data): for digests and decision ids. */
void proffer_sha256(const uint8_t *data, uint32_t size, uint8_t *out);

#endif
