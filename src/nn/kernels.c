#include "nn/kernels.h"

#include "util/error.h"
#include <opis/opis.h>

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
/* Conversions of IEEE halves (CPUID 1 ECX bit 29), by CPUID since not every compiler knows the name. */
static bool has_f16c(void)
{
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

/* Products of bytes in 256 bits without AVX-512, as small processors have them (CPUID 7:1 EAX bit 4). */
static bool has_avxvnni(void)
{
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1 << 4;
}

/* Whether there are tiles and their products of 8 bits and bf16 (CPUID 7:0 EDX bits 22, 24 and 25; every processor with them has vectors of bf16 too), and the system gives them to this process: Linux wants to be asked first, once for all threads, since they make what
 * it keeps of a thread 8 KB larger (Documentation/arch/x86/xstate.rst). */
static bool has_tiles(void)
{
  enum { REQUEST = 0x1023 /* ARCH_REQ_XCOMP_PERM */, TILE_DATA = 18, BITS = 3 << 24 | 1 << 22 };
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & BITS) == BITS && syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}
#endif

static bool has(const char *name)
{
  if (strcmp(name, "generic") == 0)
    return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (strcmp(name, "avx2") == 0)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (strcmp(name, "avxvnni") == 0)
    return has("avx2") && has_avxvnni();
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (strcmp(name, "avx512") == 0)
    return avx512;
  bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  if (strcmp(name, "avx512vnni") == 0)
    return vnni;
  if (strcmp(name, "amx") == 0)
    return vnni && has_tiles();
#elif defined(__aarch64__)
  if (strcmp(name, "neon") == 0)
    return true;
  if (strcmp(name, "neon-dotprod") == 0)
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#endif
  return false;
}

static const nn_kernels *const tables[] = {
/* the fastest first */
#if defined(__x86_64__)
  &nn_kernels_amx,
  &nn_kernels_avx512vnni,
  &nn_kernels_avx512,
  &nn_kernels_avxvnni,
  &nn_kernels_avx2,
#elif defined(__aarch64__)
  &nn_kernels_neon_dotprod,
  &nn_kernels_neon,
#endif
  &nn_kernels_generic,
};

const nn_kernels *nn_kernels_choose(void)
{
  const char *forced = getenv("OPIS_CPU");
  char names[128] = "";
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (!has(tables[i]->name))
      continue;
    if (!forced || !*forced || strcmp(forced, tables[i]->name) == 0)
      return tables[i];
    strncat(names, names[0] ? ", " : "", sizeof names - strlen(names) - 1);
    strncat(names, tables[i]->name, sizeof names - strlen(names) - 1);
  }
  error_set(OPIS_EINVALID, "OPIS_CPU: '%s' is not to be had on this processor; there are %s", forced ? forced : "", names);
  return NULL;
}

int nn_init(const char **name)
{
  const nn_kernels *k = nn_kernels_choose();
  *name = k ? k->name : "none";
  return k ? 0 : OPIS_EINVALID;
}

const char *opis_cpu(void)
{
  const char *name;
  nn_init(&name);
  return name;
}
