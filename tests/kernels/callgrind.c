/* What a process under callgrind says to it: count from here to there, and write the count under a name. */
#include <valgrind/callgrind.h>

void listen(void) { CALLGRIND_START_INSTRUMENTATION; }

void count(void) { CALLGRIND_TOGGLE_COLLECT; }

void write_count(const char *name)
{
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT(name);
}
