#include "core/record.h"

#include "base/base.h"

const char *reject_name(enum reject_reason reason)
{
    static const char *const names[] = {
#define REJECT_TEXT(name, text) text,
        REJECT_TABLE(REJECT_TEXT)
#undef REJECT_TEXT
    };
    ASSERT((size_t)reason < ARRAY_LEN(names));
    return names[reason];
}
