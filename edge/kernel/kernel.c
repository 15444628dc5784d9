/* The wasm kernel: see kernel.h for what it is, and each header for one part of it. */
#include "kernel.h"
#include "sha256.h"

#ifdef __wasm__ /* pages wait for the module: of what runs rarely, only its size counts */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif

#include "decide.h"
#include "memory.h"
#include "wellformed.h"

#define OPENED 0x304c4e524b525250ull /* PRRKRNL0 */

uint32_t proffer_scratch_bytes(const uint8_t *bundle, uint32_t size) {
    struct kernel k;
    if (read_sections(&k, bundle, size) || !count_rows(&k)) return 0;
    u64 bytes = lay_out(&k, 0);
    return bytes > SCRATCH_LIMIT ? 0 : (uint32_t)bytes;
}

int32_t proffer_open(const uint8_t *bundle, uint32_t size, uint8_t *scratch,
                     uint32_t scratch_size) {
    struct kernel read, *k = (struct kernel *)(void *)scratch;
    int is_place = (uintptr_t)scratch % 8 == 0 && scratch_size >= sizeof *k;
    if (is_place) k->opened = 0;
    int32_t code = read_sections(&read, bundle, size);
    if (code) return code;
    if (!count_rows(&read)) return PROFFER_BUNDLE_TABLE;
    if ((code = check_columns(&read))) return code;
    if (!is_place || lay_out(&read, scratch) > scratch_size) return PROFFER_SCRATCH;
    read.opened = 0;
    *k = read;
    if ((code = check_meaning(k))) return code;
    make_index(k);
    k->opened = OPENED;
    return 0;
}

int32_t proffer_decide(uint8_t *scratch, const uint8_t *block, uint32_t block_size,
                       const uint8_t *request, uint32_t request_size, uint8_t *out,
                       uint32_t out_size) {
    struct visit v;
    v.k = (struct kernel *)(void *)scratch;
    if ((uintptr_t)scratch % 8 || v.k->opened != OPENED) return PROFFER_CLOSED;
    if (!read_manifest(&v.manifest, block, block_size) ||
        !read_request(&v.request, request, request_size) || !rows_are_here(v.k, &v.request) ||
        !situate(v.k, &v.request))
        return PROFFER_REQUEST_ENCODING;
    begin(&v);
    return write_verdict(&v, out, out_size);
}

void proffer_sha256(const uint8_t *data, uint32_t size, uint8_t *out) {
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, data, size);
    sha256_end(&hash);
    for (u32 i = 0; i < 32; i++) out[i] = (u8)(hash.state[i / 4] >> (24 - 8 * (i % 4)));
}

#ifdef __wasm__
#pragma clang attribute pop

/* What a compiler may call behind our back. */
void *memset(void *to, int byte, __SIZE_TYPE__ size) {
    for (u8 *p = to; size--;) *p++ = (u8)byte;
    return to;
}

void *memcpy(void *to, const void *from, __SIZE_TYPE__ size) {
    const u8 *q = from;
    for (u8 *p = to; size--;) *p++ = *q++;
    return to;
}
#endif
