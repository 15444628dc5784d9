/* libFuzzer over the kernel's C, under ASan and UBSan: hostile bundles, blocks and requests.
 *
 *     u32 size of the bundle, u32 size of the manifest block, the bundle, the block, the request
 *
 * Invariant: any bytes give a verdict or a code; nothing is read outside of what was given
 * (and the slack behind the bundle), nothing written outside of scratch and `out`.  All of it
 * lies in heap blocks of exactly that size, where the sanitizers see every step beyond.  What
 * opens is decided twice, since an index is made on the way: both verdicts must be equal.
 *
 * With KERNEL_FUZZ_CPU_S in the environment it ends after so many seconds of its own time, and
 * tells what it did as one line of JSON. */
#include "../edge/kernel/kernel.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CODES 36

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed);

static double budget_s;
/* Inputs by what opening gave, and what opened by what deciding gave; 0 is success. */
static unsigned long long opened[CODES], decided[CODES], rows;

static void tell(const char *name, const unsigned long long *counts) {
    printf("\"%s\": {", name);
    const char *comma = "";
    for (int i = 0; i < CODES; i++)
        if (counts[i]) printf("%s\"%d\": %llu", comma, -i, counts[i]), comma = ", ";
    printf("}, ");
}

static void finish(double spent_s) {
    printf("{");
    tell("opened", opened);
    tell("decided", decided);
    printf("\"rows\": %llu, \"cpu_s\": %.0f}\n", rows, spent_s);
    fflush(stdout);
    _exit(0); /* libFuzzer has no end of its own; what it found is written already */
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments;
    const char *given = getenv("KERNEL_FUZZ_CPU_S");
    budget_s = given ? atof(given) : 0;
    return 0;
}

/* --- one input ----------------------------------------------------------------------------- */

static uint8_t *copied(const uint8_t *data, uint32_t size, uint32_t slack) {
    uint8_t *copy = malloc((size_t)size + slack + 1);
    if (size) memcpy(copy, data, size);
    return copy;
}

static void count(unsigned long long *counts, int32_t code) {
    if (code <= -CODES) abort();
    counts[code > 0 ? 0 : -code]++;
}

static void decide(uint8_t *scratch, const uint8_t *block, uint32_t block_size,
                   const uint8_t *request, uint32_t request_size) {
    uint32_t room = PROFFER_VERDICT_BYTES;
    uint8_t *first = malloc(room), *again = malloc(room);
    int32_t length = proffer_decide(scratch, block, block_size, request, request_size, first, room);
    int32_t second = proffer_decide(scratch, block, block_size, request, request_size, again, room);
    if (length != second || (length > 0 && memcmp(first, again, (size_t)length))) abort();
    if (length > (int32_t)room || length == PROFFER_OUT || length == PROFFER_CLOSED) abort();
    count(decided, length);
    if (length > 0) { /* a verdict that does not fit is told, and not written beyond its room */
        rows += load16(first + 6);
        uint8_t *small = malloc((size_t)length - 1);
        int32_t code = proffer_decide(scratch, block, block_size, request, request_size, small,
                                      (uint32_t)length - 1);
        if (code != PROFFER_OUT) abort();
        free(small);
    }
    free(first);
    free(again);
}

/* Where the parts of an input begin and end. */
struct parts {
    uint32_t bundle, block, request;
};

static struct parts parts_of(const uint8_t *data, size_t size) {
    uint32_t rest = (uint32_t)size - 8;
    struct parts parts = {load32(data), load32(data + 4), 0};
    if (parts.bundle > rest) parts.bundle = rest;
    rest -= parts.bundle;
    if (parts.block > rest) parts.block = rest;
    parts.request = rest - parts.block;
    return parts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (budget_s && clock() > budget_s * CLOCKS_PER_SEC) finish(budget_s);
    if (size < 8) return 0;
    struct parts parts = parts_of(data, size);
    data += 8;
    uint8_t *bundle = copied(data, parts.bundle, PROFFER_SLACK - 1);
    uint8_t *block = copied(data + parts.bundle, parts.block, 0);
    uint8_t *request = copied(data + parts.bundle + parts.block, parts.request, 0);
    uint32_t scratch_size = proffer_scratch_bytes(bundle, parts.bundle);
    uint8_t *scratch = malloc(scratch_size + 1);
    int32_t code = proffer_open(bundle, parts.bundle, scratch, scratch_size);
    if (code > 0 || code == PROFFER_SCRATCH) abort();
    count(opened, code);
    if (!code) decide(scratch, block, parts.block, request, parts.request);
    free(scratch);
    free(bundle);
    free(block);
    free(request);
    return 0;
}

/* --- changes that leave the layout whole --------------------------------------------------- */

static uint32_t next(uint32_t *state) { /* xorshift32 */
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static void overwrite(uint8_t *part, uint32_t size, uint32_t *state) {
    static const uint8_t EDGES[] = {0, 0, 1, 1, 2, 3, 5, 0x7f, 0x80, 0xfe, 0xff, 0xff};
    for (uint32_t times = 1 + next(state) % 3; times-- && size;) {
        uint32_t at = next(state) % size, from = next(state) % size, kind = next(state) % 4;
        uint32_t room = size - (at > from ? at : from);
        if (kind == 0) part[at] += 1;
        else if (kind == 1) part[at] -= 1;
        else if (kind == 2) part[at] = EDGES[next(state) % sizeof EDGES];
        else memmove(part + at, part + from, room < 8 ? room : 1 + next(state) % 8);
    }
}

/* Bytes put in or taken out seldom leave a bundle that opens; so mostly some are overwritten, in
 * its columns (behind the section table), in the block or in the request. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed) {
    uint32_t state = seed * 2654435761u | 1, kind = next(&state) % 8;
    if (kind == 0 || size < 8) return LLVMFuzzerMutate(data, size, size_max);
    struct parts parts = parts_of(data, size);
    uint8_t *bundle = data + 8, *block = bundle + parts.bundle, *request = block + parts.block;
    uint32_t head = parts.bundle < 16 ? 0 : 16 + 12 * load16(bundle + 6);
    if (head > parts.bundle) head = 0;
    if (kind < 4) overwrite(bundle + head, parts.bundle - head, &state);
    else if (kind < 5) overwrite(block, parts.block, &state);
    else if (kind < 7) overwrite(request, parts.request, &state);
    else
        return (size_t)(request - data) +
               LLVMFuzzerMutate(request, parts.request, size_max - (size_t)(request - data));
    return size;
}
