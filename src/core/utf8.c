#include "core/utf8.h"

#include <stdint.h>

size_t utf8_sequence_len(const unsigned char *p, size_t rest)
{
    const unsigned char lead = p[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0; /* a continuation byte, an overlong form, or above U+10FFFF */
    const size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (rest < len)
        return 0;
    /* Four leads narrow their second byte: no overlong forms, no surrogates, no U+110000. */
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool utf8_valid(struct slice text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t rest = text.len;
    while (rest > 0) {
        uint64_t word;
        while (rest >= sizeof(word)) { /* eight ASCII bytes at a time */
            memcpy(&word, p, sizeof(word));
            if (word & UINT64_C(0x8080808080808080))
                break;
            p += sizeof(word);
            rest -= sizeof(word);
        }
        if (rest == 0)
            break;
        const size_t len = utf8_sequence_len(p, rest);
        if (len == 0)
            return false;
        p += len;
        rest -= len;
    }
    return true;
}
