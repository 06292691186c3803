/* Reads cases of fake_decoder.h, one JSON object a line, and writes what generate() answers, one object a line. */
#include "fake_decoder.h"

int main(void)
{
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, stdin) > 0) {
    json_t *c = json_loads(line, 0, NULL);
    if (!c)
      return 2;
    json_t *answer = run_case(c);
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(answer);
    json_decref(c);
  }
  free(line);
  return 0;
}
