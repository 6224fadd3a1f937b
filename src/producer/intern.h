/* intern.h -- each distinct text once, by number.
 *
 * 250,000 readings name 5,000 turnstiles: a reading keeps two numbers instead of
 * its texts. Numbers count up from 0 in the order of first appearance. */
#ifndef TURNSTILE_PRODUCER_INTERN_H
#define TURNSTILE_PRODUCER_INTERN_H

#include "base/buf.h"

#include <stdint.h>

#define INTERN_MAX_TEXTS (1u << 22)                  /* turnstiles of the whole world, roughly */
#define INTERN_MAX_BYTES ((size_t)256 * 1024 * 1024) /* of all texts together */

struct intern {
    struct buf bytes; /* the texts, one after the other */
    size_t *ends;     /* by number: where its text ends */
    uint32_t *slots;  /* number + 1, or 0: open addressing, at most half full */
    uint32_t count, capacity;
};

void intern_init(struct intern *t);
void intern_deinit(struct intern *t);

/* The text's number; 0 or ERR_TOO_LARGE. */
int intern_add(struct intern *t, struct slice text, uint32_t *number) MUST_CHECK;
bool intern_has(const struct intern *t, struct slice text);
struct slice intern_text(const struct intern *t, uint32_t number); /* until the next add */

#endif
