/* SHA-256 (FIPS 180-4), and the words of chance made of it (edge/decision/hashing.py). */
#ifndef PROFFER_SHA256_H
#define PROFFER_SHA256_H

#include "bytes.h"

struct sha256 {
    u32 state[8];
    u32 filled; /* bytes of `block` that wait */
    u64 size;
    u8 block[64];
};

static const u32 ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline u32 rotate(u32 x, u32 bits) { return x >> bits | x << (32 - bits); }

static void sha256_block(u32 *state, const u8 *data) {
    u32 w[64], s[8];
    for (int i = 0; i < 16; i++, data += 4)
        w[i] = (u32)data[0] << 24 | (u32)data[1] << 16 | (u32)data[2] << 8 | data[3];
    for (int i = 16; i < 64; i++) {
        u32 a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    for (int i = 0; i < 8; i++) s[i] = state[i];
    for (int i = 0; i < 64; i++) {
        u32 a = s[0], e = s[4];
        u32 one = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                  ((e & s[5]) ^ (~e & s[6])) + ROUND[i] + w[i];
        u32 two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                  ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + one;
        s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

static void sha256_begin(struct sha256 *hash) {
    static const u32 FIRST[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (int i = 0; i < 8; i++) hash->state[i] = FIRST[i];
    hash->filled = 0;
    hash->size = 0;
}

static void sha256_add(struct sha256 *hash, const u8 *data, u32 size) {
    hash->size += size;
    while (size) {
        if (!hash->filled && size >= 64) {
            sha256_block(hash->state, data);
            data += 64, size -= 64;
            continue;
        }
        hash->block[hash->filled++] = *data++;
        size--;
        if (hash->filled == 64) {
            sha256_block(hash->state, hash->block);
            hash->filled = 0;
        }
    }
}

static void sha256_end(struct sha256 *hash) {
    u64 bits = hash->size * 8;
    hash->block[hash->filled++] = 0x80;
    if (hash->filled > 56) {
        while (hash->filled < 64) hash->block[hash->filled++] = 0;
        sha256_block(hash->state, hash->block);
        hash->filled = 0;
    }
    while (hash->filled < 56) hash->block[hash->filled++] = 0;
    for (int i = 0; i < 8; i++) hash->block[56 + i] = (u8)(bits >> (56 - 8 * i));
    sha256_block(hash->state, hash->block);
}

/* --- words: parts joined by 0x1f, the purpose first ------------------------------------- */

static void word_part(struct sha256 *hash, const u8 *part, u32 size) {
    static const u8 SEPARATOR = 0x1f;
    sha256_add(hash, &SEPARATOR, 1);
    sha256_add(hash, part, size);
}

static void word_number(struct sha256 *hash, u32 number, u8 before) {
    u8 digits[12];
    u32 at = sizeof digits;
    do digits[--at] = (u8)('0' + number % 10);
    while (number /= 10);
    digits[--at] = before;
    sha256_add(hash, digits + at, (u32)sizeof digits - at);
}

static u32 word_end(struct sha256 *hash) {
    sha256_end(hash);
    return hash->state[0];
}

#endif
