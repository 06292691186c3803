/* Inside the room: what the reports share. */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include "check/check.h"

/* Findings grouped by key, in the order in which they were found; those of key k are first[k] to first[k + 1]. malloc'ed, NULL without memory. */
const check_finding **check_sorted(const check_set *set, size_t first[CHECK_KEYS + 1]);

#endif
