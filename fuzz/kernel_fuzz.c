/* libFuzzer over the kernel's C, under ASan and UBSan: hostile bundles, blocks and requests.
 *
 *     u32 size of the bundle, u32 size of the manifest block, the bundle, the block, the request
 *
 * Invariant: any bytes give a verdict or a code; nothing is read outside of what was given
 * (and the slack behind the bundle), nothing written outside of scratch and `out`.  All of it
 * lies in heap blocks of exactly that size, where the sanitizers see every step beyond.  What
 * opens is decided twice, since an index is made on the way: both verdicts must be equal. */
#include "../edge/kernel/kernel.c"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *copied(const uint8_t *data, uint32_t size, uint32_t slack) {
    uint8_t *copy = malloc((size_t)size + slack + 1);
    if (size) memcpy(copy, data, size);
    return copy;
}

static void decide(uint8_t *scratch, const uint8_t *block, uint32_t block_size,
                   const uint8_t *request, uint32_t request_size) {
    uint32_t room = PROFFER_VERDICT_BYTES;
    uint8_t *first = malloc(room), *again = malloc(room);
    int32_t length = proffer_decide(scratch, block, block_size, request, request_size, first, room);
    int32_t second = proffer_decide(scratch, block, block_size, request, request_size, again, room);
    if (length != second || (length > 0 && memcmp(first, again, (size_t)length))) abort();
    if (length > (int32_t)room || length == PROFFER_OUT || length == PROFFER_CLOSED) abort();
    if (length > 0) { /* a verdict that does not fit is told, and not written beyond its room */
        uint8_t *small = malloc((size_t)length - 1);
        int32_t code = proffer_decide(scratch, block, block_size, request, request_size, small,
                                      (uint32_t)length - 1);
        if (code != PROFFER_OUT) abort();
        free(small);
    }
    free(first);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 8) return 0;
    uint32_t rest = (uint32_t)size - 8, bundle_size = load32(data), block_size = load32(data + 4);
    if (bundle_size > rest) bundle_size = rest;
    rest -= bundle_size;
    if (block_size > rest) block_size = rest;
    rest -= block_size;
    uint8_t *bundle = copied(data + 8, bundle_size, PROFFER_SLACK - 1);
    uint8_t *block = copied(data + 8 + bundle_size, block_size, 0);
    uint8_t *request = copied(data + 8 + bundle_size + block_size, rest, 0);
    uint32_t scratch_size = proffer_scratch_bytes(bundle, bundle_size);
    uint8_t *scratch = malloc(scratch_size + 1);
    int32_t code = proffer_open(bundle, bundle_size, scratch, scratch_size);
    if (code > 0) abort();
    if (!code) decide(scratch, block, block_size, request, rest);
    free(scratch);
    free(bundle);
    free(block);
    free(request);
    return 0;
}
