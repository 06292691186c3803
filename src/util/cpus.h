/* The processors that this process may use. */
#ifndef UTIL_CPUS_H
#define UTIL_CPUS_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

/* At least 1: the affinity mask, bounded by the cgroup's quota (v2 cpu.max, v1 cpu.cfs_quota_us), rounded up. */
int cpus_available(void);

/* *others: *own without the processor `one`; false where that is none, or nothing is left. */
bool cpus_without(cpu_set_t *others, const cpu_set_t *own, int one);

/* Lets a thread that will be created with *attributes begin on another processor than the caller's; true where there is one, and the thread then calls cpus_anywhere with the same *own.
 * Under a hypervisor, Linux takes a processor that sleeps for one that was taken away, and would let both share the caller's beside an idle one. */
bool cpus_elsewhere(pthread_attr_t *attributes, cpu_set_t *own);
/* The calling thread may use all of *own again, and stays where it is until it is moved. */
void cpus_anywhere(const cpu_set_t *own);

#endif
