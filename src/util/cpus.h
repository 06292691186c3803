/* How many processors this process may use. */
#ifndef UTIL_CPUS_H
#define UTIL_CPUS_H

/* At least 1: the affinity mask, bounded by the cgroup's quota (v2 cpu.max, v1 cpu.cfs_quota_us), rounded up. */
int cpus_available(void);

#endif
