/* Time that only goes forward. */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

double clock_seconds(void); /* CLOCK_MONOTONIC */

#endif
