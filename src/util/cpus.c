#include "util/cpus.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int read_line(char *line, int size, const char *path)
{
  FILE *f = fopen(path, "re");
  if (!f)
    return -1;
  char *got = fgets(line, size, f);
  fclose(f);
  return got ? 0 : -1;
}

/* quota / period of one cgroup folder rounded up, 0 where it sets none. */
static int folder_quota(const char *folder)
{
  char path[640], line[128];
  long long quota, period;
  snprintf(path, sizeof path, "%s/cpu.max", folder);
  if (read_line(line, sizeof line, path) == 0)
    return sscanf(line, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
  if (read_line(line, sizeof line, path) != 0 || sscanf(line, "%lld", &quota) != 1 || quota <= 0)
    return 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
  if (read_line(line, sizeof line, path) != 0 || sscanf(line, "%lld", &period) != 1 || period <= 0)
    return 0;
  return (int)((quota + period - 1) / period);
}

/* The smallest quota of the process's cgroup and every folder above it; 0: none. */
static int cgroup_quota(void)
{
  FILE *f = fopen("/proc/self/cgroup", "re");
  if (!f)
    return 0;
  char line[512], folder[600];
  int smallest = 0;
  while (fgets(line, sizeof line, f)) {
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
      continue;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    const char *root;
    if (strcmp(controllers + 1, "") == 0)
      root = "/sys/fs/cgroup";
    else if (strstr(controllers + 1, "cpu") && !strstr(controllers + 1, "cpuset"))
      root = "/sys/fs/cgroup/cpu";
    else
      continue;
    for (;;) {
      snprintf(folder, sizeof folder, "%s%s", root, strcmp(path, "/") == 0 ? "" : path);
      int quota = folder_quota(folder);
      if (quota > 0 && (smallest == 0 || quota < smallest))
        smallest = quota;
      char *slash = strrchr(path, '/');
      if (!slash || strcmp(path, "/") == 0)
        break;
      if (slash == path)
        slash++;
      *slash = '\0';
    }
  }
  fclose(f);
  return smallest;
}

int cpus_available(void)
{
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
  int quota = cgroup_quota();
  if (quota > 0 && quota < n)
    n = quota;
  return n > 0 ? n : 1;
}

bool cpus_without(cpu_set_t *others, const cpu_set_t *own, int one)
{
  if (one < 0 || one >= CPU_SETSIZE)
    return false;
  *others = *own;
  CPU_CLR((size_t)one, others);
  return CPU_COUNT(others) > 0;
}

bool cpus_elsewhere(pthread_attr_t *attributes, cpu_set_t *own)
{
  cpu_set_t others;
  return pthread_getaffinity_np(pthread_self(), sizeof *own, own) == 0 && cpus_without(&others, own, sched_getcpu()) &&
    pthread_attr_setaffinity_np(attributes, sizeof others, &others) == 0;
}

void cpus_anywhere(const cpu_set_t *own)
{
  pthread_setaffinity_np(pthread_self(), sizeof *own, own);
}
