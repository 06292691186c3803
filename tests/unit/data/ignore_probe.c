/* For tests/interop/test_ignore.py: on standard input, JSON [[PATTERNS, STRIP, [PATH, …]], …], a folder's path with a '/' at its end; on standard output, whether each path itself is ignored. */
#include "data/ignore.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *answer(json_t *one)
{
  const char *patterns = json_string_value(json_array_get(one, 0));
  json_t *paths = json_array_get(one, 2), *path, *out = json_array();
  char name[] = "/tmp/opis-probe-XXXXXX";
  ignore g = {0};
  size_t i, n = json_string_length(json_array_get(one, 0));
  int fd = mkstemp(name);
  if (fd < 0 || write(fd, patterns, n) != (ssize_t)n || ignore_add_file(&g, AT_FDCWD, name, json_is_true(json_array_get(one, 1))) < 0)
    exit(1);
  close(fd);
  unlink(name);
  json_array_foreach(paths, i, path)
  {
    char *copy = strdup(json_string_value(path));
    size_t length = strlen(copy);
    bool folder = length && copy[length - 1] == '/';
    if (folder)
      copy[length - 1] = '\0';
    json_array_append_new(out, json_boolean(ignore_test(&g, copy, folder)));
    free(copy);
  }
  ignore_free(&g);
  return out;
}

int main(void)
{
  json_t *all = json_loadf(stdin, 0, NULL), *one, *out = json_array();
  size_t i;
  if (!json_is_array(all))
    return 2;
  json_array_foreach(all, i, one) json_array_append_new(out, answer(one));
  json_dumpf(out, stdout, 0);
  json_decref(out);
  json_decref(all);
  return 0;
}
