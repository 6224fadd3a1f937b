#include "consumer/report.h"

#include "base/log.h"
#include "consumer/option_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIST_BYTES 480  /* of "partition:offset" pairs in one line; the rest is "..." */
#define PAIR_BYTES 48   /* the longest pair, with its comma */
#define REASON_BYTES 32 /* of "rejected_" and a reason's name */

void report_started(const struct setup *s, const char *lake)
{
    const struct options *o = &s->options;
    char duration[OPTION_VALUE_BYTES], slide[OPTION_VALUE_BYTES], delay[OPTION_VALUE_BYTES];
    LOG_INFO("started", LOG_STR("version", TURNSTILE_VERSION), LOG_STR("topic", o->topic),
             LOG_STR("group", o->group), LOG_STR("lake", lake), LOG_STR("prefix", o->prefix),
             LOG_STR("scope", o->partition_scope ? "partition" : "topic"),
             LOG_STR("duration", option_value_format_time(o->duration_ms, duration)),
             LOG_STR("slide", option_value_format_time(o->slide_ms, slide)),
             LOG_STR("delay", option_value_format_time(o->delay_ms, delay)),
             LOG_STR("schema", s->schema_path));
}

void report_assigned(const char *topic, const struct pipeline_partition *partitions, size_t count)
{
    char floors[LIST_BYTES + PAIR_BYTES] = "";
    size_t used = 0, fresh = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pipeline_partition *p = &partitions[i];
        const bool none = p->committed == RECORD_NO_OFFSET;
        fresh += none;
        if (used >= LIST_BYTES)
            continue;
        char pair[PAIR_BYTES];
        if (used + PAIR_BYTES > LIST_BYTES)
            snprintf(pair, sizeof(pair), ",...");
        else if (none)
            snprintf(pair, sizeof(pair), "%s%" PRId32 ":-", used > 0 ? "," : "", p->partition);
        else
            snprintf(pair, sizeof(pair), "%s%" PRId32 ":%" PRId64, used > 0 ? "," : "",
                     p->partition, p->committed);
        memcpy(floors + used, pair, strlen(pair) + 1);
        used = used + PAIR_BYTES > LIST_BYTES ? LIST_BYTES : used + strlen(pair);
    }
    LOG_INFO("assigned", LOG_STR("topic", topic), LOG_INT("partitions", count),
             LOG_INT("without_record", fresh), LOG_STR("floors", floors));
}

static void totals_of_partition(const char *topic, const struct pipeline_view *view,
                                const struct pipeline_counters *c)
{
    struct log_field fields[10 + REJECT_COUNT];
    char names[REJECT_COUNT][REASON_BYTES];
    uint64_t rejected = 0;
    size_t count = 0;
    for (size_t reason = 0; reason < REJECT_COUNT; reason++)
        rejected += c->rejected[reason];
    fields[count++] = LOG_STR("topic", topic);
    fields[count++] = LOG_INT("partition", view->partition);
    fields[count++] = LOG_INT("position", view->position);
    fields[count++] = LOG_INT("messages", c->messages);
    fields[count++] = LOG_INT("rows", c->rows);
    fields[count++] = LOG_INT("windowed", c->windowed);
    fields[count++] = LOG_INT("duplicate", c->duplicate);
    fields[count++] = LOG_INT("late", c->late);
    fields[count++] = LOG_INT("rejected", rejected);
    fields[count++] = LOG_INT("suppressed", c->suppressed);
    for (size_t reason = 0; reason < REJECT_COUNT; reason++) {
        if (c->rejected[reason] == 0)
            continue;
        snprintf(names[reason], REASON_BYTES, "rejected_%s",
                 reject_name((enum reject_reason)reason));
        fields[count++] = LOG_INT(names[reason], c->rejected[reason]);
    }
    log_write_always(LOG_LEVEL_INFO, "totals", fields, count);
}

void report_totals(const char *topic, const struct pipelines *pipelines)
{
    const size_t count = pipelines_partition_count(pipelines);
    for (size_t i = 0; i < count; i++) {
        struct pipeline_view view;
        struct pipeline_counters counters;
        pipelines_view(pipelines, i, &view, &counters);
        totals_of_partition(topic, &view, &counters);
    }
}

void report_stopped(int exit_code, const struct pipeline_totals *totals,
                    const struct uploader_stats *uploads)
{
    LOG_INFO("stopped", LOG_INT("exit_code", exit_code),
             LOG_INT("batches_stored", totals->batches_stored),
             LOG_INT("objects_stored", uploads->stored),
             LOG_INT("objects_existed", uploads->existed),
             LOG_INT("bytes_stored", uploads->bytes_stored), LOG_INT("retries", uploads->retries),
             LOG_INT("open_windows", totals->open_windows));
}
