/* driver.h -- one seed: a feed, many lives of the process with a crash between
 * each two, and a last one that ends in peace and is compared with the oracle. */
#ifndef TURNSTILE_SIMULATION_DRIVER_H
#define TURNSTILE_SIMULATION_DRIVER_H

#include "core/schema.h"
#include "life.h"
#include "oracle.h"

struct driver_options {
    unsigned crashes; /* lives that end in one */
    bool verbose;
};

struct driver_stats {
    uint64_t seeds, lives, crashes, violations, failed_seeds;
    uint64_t messages;
    struct life_stats life;
    struct oracle_totals oracle;
    char violation[WORLD_VIOLATION_BYTES]; /* of the last seed that failed */
};

/* The schema of the simulated feed. To be freed with schema_free(). */
struct schema *driver_schema(void);

/* True: no violation. Adds to *stats. */
bool driver_run(uint64_t seed, const struct driver_options *options, const struct schema *schema,
                struct driver_stats *stats);

#endif
