#include "base/suggest.h"

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    const unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein distance, one row of the matrix at a time. */
static unsigned distance(struct slice a, struct slice b)
{
    unsigned row[SUGGEST_MAX_WORD + 1];
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 0; i < a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i + 1;
        for (unsigned j = 0; j < b.len; j++) {
            const unsigned replaced = diagonal + (lower(a.ptr[i]) != lower(b.ptr[j]) ? 1 : 0);
            diagonal = row[j + 1];
            row[j + 1] = min3(replaced, diagonal + 1, row[j] + 1);
        }
    }
    return row[b.len];
}

const char *suggest_near(struct slice word, const char *const *known, size_t count)
{
    if (word.len == 0 || word.len > SUGGEST_MAX_WORD)
        return NULL;
    const unsigned allowed = word.len < 6 ? 1 : (unsigned)word.len / 3;
    const char *nearest = NULL;
    unsigned fewest = allowed + 1;
    for (size_t i = 0; i < count; i++) {
        const struct slice candidate = slice_of(known[i]);
        if (candidate.len > SUGGEST_MAX_WORD)
            continue;
        const unsigned edits = distance(word, candidate);
        if (edits < fewest) {
            nearest = known[i];
            fewest = edits;
        }
    }
    return nearest;
}
