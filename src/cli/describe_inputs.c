/* Where pictures come from: operands, folders walked in byte order of the whole path, lists, shards. Nothing is collected: memory does not grow with the number of files. */
#include "cli/describe.h"

#include "util/error.h"
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One folder being walked: its entries, sorted; a folder's name ends with '/', so that the order is that of whole paths. */
typedef struct level {
  char *prefix; /* "a/b/" */
  char **names;
  size_t n, at;
} level;

struct describe_inputs {
  describe_inputs_options o;
  int operand;
  FILE *list;
  char *line;
  size_t line_capacity;
  level *levels;
  size_t depth, levels_capacity;
  uint64_t index;
};

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void level_free(level *l)
{
  for (size_t i = l->at; i < l->n; i++)
    free(l->names[i]);
  free(l->names);
  free(l->prefix);
}

/* Whether the entry is wanted: 'd' a folder, 'f' a file or a link to one, 0 left out. */
static char kind_of(const char *prefix, const struct dirent *e)
{
  if (e->d_name[0] == '.')
    return 0;
  if (e->d_type == DT_DIR)
    return 'd';
  if (e->d_type == DT_REG)
    return 'f';
  if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN)
    return 0;
  char *path;
  struct stat st;
  char kind = 0;
  if (path_join(&path, prefix, e->d_name) < 0)
    return 0;
  bool link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
  if (stat(path, &st) == 0)
    kind = S_ISREG(st.st_mode) ? 'f' : S_ISDIR(st.st_mode) && !link ? 'd' : 0;
  else if (link)
    kind = 'f'; /* dangling: reading it will say so */
  free(path);
  return kind;
}

static int push_folder(describe_inputs *in, char *prefix /* taken over */)
{
  level l = {prefix, NULL, 0, 0};
  size_t capacity = 0;
  DIR *d = opendir(prefix[0] ? prefix : ".");
  int code = d ? 0 : error_set_errno("%s", prefix);
  while (code == 0) {
    errno = 0;
    const struct dirent *e = readdir(d);
    if (!e) {
      if (errno)
        code = error_set_errno("%s", prefix);
      break;
    }
    char kind = kind_of(prefix, e);
    if (!kind)
      continue;
    if (l.n == capacity) {
      capacity = capacity ? capacity * 2 : 32;
      char **larger = realloc(l.names, capacity * sizeof *larger);
      if (!larger) {
        code = error_nomem();
        break;
      }
      l.names = larger;
    }
    if (asprintf(&l.names[l.n], "%s%s", e->d_name, kind == 'd' ? "/" : "") < 0) {
      code = error_nomem();
      break;
    }
    l.n++;
  }
  if (d)
    closedir(d);
  if (code == 0 && in->depth == in->levels_capacity) {
    size_t more = in->levels_capacity ? in->levels_capacity * 2 : 8;
    level *larger = realloc(in->levels, more * sizeof *larger);
    if (larger) {
      in->levels = larger;
      in->levels_capacity = more;
    } else
      code = error_nomem();
  }
  if (code < 0) {
    level_free(&l);
    return code;
  }
  if (l.n)
    qsort(l.names, l.n, sizeof *l.names, compare_names);
  in->levels[in->depth++] = l;
  return 0;
}

/* The next file below the folders on the stack: 1, or 0 when the stack is empty. A folder that cannot be read is given as an input, so that its error is told in its place. */
static int next_in_folders(describe_inputs *in, describe_input *input)
{
  while (in->depth) {
    level *l = &in->levels[in->depth - 1];
    if (l->at == l->n) {
      level_free(l);
      in->depth--;
      continue;
    }
    char *name = l->names[l->at++], *path = NULL;
    int made = asprintf(&path, "%s%s", l->prefix, name);
    size_t n = strlen(name);
    free(name);
    if (made < 0)
      return error_nomem();
    if (path[n ? strlen(path) - 1 : 0] == '/') {
      char *copy = strdup(path);
      if (!copy) {
        free(path);
        return error_nomem();
      }
      if (push_folder(in, copy) == 0) {
        free(path);
        continue;
      }
      *input = (describe_input){path, true};
      return 1;
    }
    *input = (describe_input){path, false};
    return 1;
  }
  return 0;
}

static int next_name(describe_inputs *in, char **name)
{
  if (in->operand < in->o.n_operands) {
    *name = strdup(in->o.operands[in->operand++]);
    return *name ? 1 : error_nomem();
  }
  while (in->list) {
    ssize_t n = getdelim(&in->line, &in->line_capacity, in->o.nul_separated ? '\0' : '\n', in->list);
    if (n < 0) {
      if (ferror(in->list))
        return error_set_errno("%s", in->o.files_from);
      return 0;
    }
    if (n > 0 && !in->o.nul_separated && in->line[n - 1] == '\n')
      in->line[--n] = '\0';
    if (n > 0 && !in->o.nul_separated && in->line[n - 1] == '\r')
      in->line[--n] = '\0';
    if (n == 0 || in->line[0] == '\0')
      continue;
    *name = strdup(in->line);
    return *name ? 1 : error_nomem();
  }
  return 0;
}

static int next_unsharded(describe_inputs *in, describe_input *input)
{
  for (;;) {
    int code = next_in_folders(in, input);
    if (code != 0)
      return code;
    char *name = NULL;
    code = next_name(in, &name);
    if (code <= 0)
      return code;
    if (!in->o.recursive || strcmp(name, "-") == 0 || !file_is_folder(name)) {
      *input = (describe_input){name, true};
      return 1;
    }
    char *prefix = NULL;
    size_t n = strlen(name);
    int made = asprintf(&prefix, "%s%s", name, n && name[n - 1] == '/' ? "" : "/");
    if (made < 0) {
      free(name);
      return error_nomem();
    }
    if (push_folder(in, prefix) < 0) {
      *input = (describe_input){name, true}; /* reading it as a picture tells the error */
      return 1;
    }
    free(name);
  }
}

int describe_inputs_open(describe_inputs **out, const describe_inputs_options *o)
{
  describe_inputs *in = calloc(1, sizeof *in);
  *out = NULL;
  if (!in)
    return error_nomem();
  in->o = *o;
  if (o->files_from) {
    in->list = strcmp(o->files_from, "-") == 0 ? stdin : fopen(o->files_from, "re");
    if (!in->list) {
      int code = error_set_errno("%s", o->files_from);
      free(in);
      return code;
    }
  }
  *out = in;
  return 0;
}

int describe_inputs_next(describe_inputs *in, describe_input *input)
{
  for (;;) {
    int code = next_unsharded(in, input);
    if (code <= 0)
      return code;
    if (in->index++ % (uint64_t)in->o.shards == (uint64_t)(in->o.shard - 1))
      return 1;
    free(input->path);
  }
}

void describe_inputs_close(describe_inputs *in)
{
  if (!in)
    return;
  while (in->depth)
    level_free(&in->levels[--in->depth]);
  free(in->levels);
  free(in->line);
  if (in->list && in->list != stdin)
    fclose(in->list);
  free(in);
}

/* ---- shards ---- */

static bool number(const char *text, long *value)
{
  char *end;
  if (!text || !*text)
    return false;
  errno = 0;
  *value = strtol(text, &end, 10);
  return !*end && !errno;
}

/* What a scheduler says about this task: index from 0, and how many there are. */
static int shard_from_environment(long *index, long *count)
{
  long id, min = 0, step = 1, max;
  if (getenv("SLURM_ARRAY_TASK_ID")) {
    if (!number(getenv("SLURM_ARRAY_TASK_ID"), &id))
      return error_set(OPIS_EINVALID, "--shard env: SLURM_ARRAY_TASK_ID is no number");
    if (getenv("SLURM_ARRAY_TASK_MIN") && !number(getenv("SLURM_ARRAY_TASK_MIN"), &min))
      return error_set(OPIS_EINVALID, "--shard env: SLURM_ARRAY_TASK_MIN is no number");
    if (getenv("SLURM_ARRAY_TASK_STEP") && (!number(getenv("SLURM_ARRAY_TASK_STEP"), &step) || step < 1))
      return error_set(OPIS_EINVALID, "--shard env: SLURM_ARRAY_TASK_STEP is no positive number");
    *index = (id - min) / step;
    if (number(getenv("SLURM_ARRAY_TASK_COUNT"), count))
      return 0;
    if (!number(getenv("SLURM_ARRAY_TASK_MAX"), &max))
      return error_set(OPIS_EINVALID, "--shard env: SLURM_ARRAY_TASK_COUNT is missing");
    *count = (max - min) / step + 1;
    return 0;
  }
  if (getenv("AWS_BATCH_JOB_ARRAY_INDEX")) {
    if (!number(getenv("AWS_BATCH_JOB_ARRAY_INDEX"), index))
      return error_set(OPIS_EINVALID, "--shard env: AWS_BATCH_JOB_ARRAY_INDEX is no number");
    if (!number(getenv("AWS_BATCH_JOB_ARRAY_SIZE"), count))
      return error_set(OPIS_EINVALID, "--shard env: AWS_BATCH_JOB_ARRAY_SIZE is missing or no number");
    return 0;
  }
  if (getenv("JOB_COMPLETION_INDEX")) {
    if (!number(getenv("JOB_COMPLETION_INDEX"), index))
      return error_set(OPIS_EINVALID, "--shard env: JOB_COMPLETION_INDEX is no number");
    if (!number(getenv("OPIS_SHARD_COUNT"), count))
      return error_set(OPIS_EINVALID, "--shard env: OPIS_SHARD_COUNT (the number of completions) is missing or no number");
    return 0;
  }
  return error_set(OPIS_EINVALID, "--shard env: none of SLURM_ARRAY_TASK_ID, AWS_BATCH_JOB_ARRAY_INDEX, JOB_COMPLETION_INDEX is set; write --shard I/N");
}

int describe_shard_parse(int *shard, int *shards, const char *text)
{
  long i, n;
  if (strcmp(text, "env") == 0) {
    int code = shard_from_environment(&i, &n);
    if (code < 0)
      return code;
    i++;
  } else {
    char extra;
    if (sscanf(text, "%ld/%ld%c", &i, &n, &extra) != 2)
      return error_set(OPIS_EINVALID, "--shard: '%s' is not I/N, such as 1/8, and not env", text);
  }
  if (n < 1 || n > 1000000000 || i < 1 || i > n)
    return error_set(OPIS_EINVALID, "--shard: %ld/%ld: the first number is counted from 1 up to the second", i, n);
  *shard = (int)i;
  *shards = (int)n;
  return 0;
}
