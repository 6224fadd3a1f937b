/* fuzz.h -- what every fuzz target defines. It aborts (ASSERT) when an invariant does not hold. */
#ifndef TURNSTILE_TESTS_FUZZ_H
#define TURNSTILE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
