/* Bytes and integers: loads and stores that are little endian on any machine, division that
 * floors as Python's does, comparison of byte strings as Python compares them. */
#ifndef PROFFER_BYTES_H
#define PROFFER_BYTES_H

#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef __SIZE_TYPE__ usize;
typedef int64_t i64;

/* What is rarely run is kept out of line: the module is small because of it. */
#define COLD __attribute__((noinline))
#define HOT inline __attribute__((always_inline))

#define MILLION 1000000
#define SAFE (1LL << 53)

/* Clang sees that the bytes of a load make one, but then no longer folds their offset into it;
 * where the machine is little endian anyway, it is told. */
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOADS(name, type, result)                                                                  \
    static HOT result name(const u8 *p) {                                                          \
        type value;                                                                                \
        __builtin_memcpy(&value, p, sizeof value);                                                 \
        return value;                                                                              \
    }
#define STORES(name, type)                                                                         \
    static HOT void name(u8 *p, u32 value) {                                                       \
        type narrow = (type)value;                                                                 \
        __builtin_memcpy(p, &narrow, sizeof narrow);                                               \
    }
#else
#define LOADS(name, type, result)                                                                  \
    static HOT result name(const u8 *p) {                                                          \
        result value = 0;                                                                          \
        for (u32 i = 0; i < sizeof(type); i++) value |= (result)p[i] << 8 * i;                     \
        return value;                                                                              \
    }
#define STORES(name, type)                                                                         \
    static HOT void name(u8 *p, u32 value) {                                                       \
        for (u32 i = 0; i < sizeof(type); i++) p[i] = (u8)(value >> 8 * i);                        \
    }
#endif
LOADS(load16, u16, u32)
LOADS(load32, u32, u32)
LOADS(load64, u64, u64)
STORES(store16, u16)
STORES(store32, u32)

static inline i64 least(i64 a, i64 b) { return a < b ? a : b; }

static inline i64 most(i64 a, i64 b) { return a > b ? a : b; }

/* Floor division and its rest, for a divisor above 0.  Most numbers fit into 32 bits, where
 * dividing takes a third of the time. */
static inline i64 floor_div(i64 a, i64 b) {
    if ((u64)a >> 32 == 0 && (u64)b >> 32 == 0) return (u32)a / (u32)b;
    return a / b - (a % b < 0);
}

static inline i64 floor_mod(i64 a, i64 b) { return a - floor_div(a, b) * b; }

_Static_assert((-1LL >> 1) == -1LL, "the kernel needs right shifts that floor");

/* memcmp of two byte strings, the shorter first if it begins the longer. */
static int compare(const u8 *a, u32 a_size, const u8 *b, u32 b_size) {
    u32 both = a_size < b_size ? a_size : b_size;
    for (u32 i = 0; i < both; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return a_size == b_size ? 0 : a_size < b_size ? -1 : 1;
}

static u32 power_of_two_from(u64 wanted) {
    u32 power = 1;
    while (power < wanted) power *= 2;
    return power;
}

/* Whether these bytes are UTF-8 as Python decodes it: no surrogates, no overlong forms. */
static int is_utf8(const u8 *text, u32 size) {
    u32 i = 0;
    while (i < size) {
        u32 first = text[i], more, low = 0x80, high = 0xbf;
        if (first < 0x80) more = 0;
        else if (first >= 0xc2 && first <= 0xdf) more = 1;
        else if (first >= 0xe0 && first <= 0xef) more = 2;
        else if (first >= 0xf0 && first <= 0xf4) more = 3;
        else return 0;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
        if (more >= size - i) return 0;
        for (u32 j = 1; j <= more; j++, low = 0x80, high = 0xbf)
            if (text[i + j] < low || text[i + j] > high) return 0;
        i += more + 1;
    }
    return 1;
}

/* Whether no byte is below 0x20. */
static int has_no_control(const u8 *text, u32 size) {
    for (u32 i = 0; i < size; i++)
        if (text[i] < 0x20) return 0;
    return 1;
}

#endif
