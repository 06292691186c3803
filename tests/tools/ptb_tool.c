/* Tokenizes standard input, one caption a line, as `opis eval` counts words. With an argument punctuation is kept. */
#include "eval/ptb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print(void *user, size_t i, const char *tokens, size_t length)
{
  (void)user;
  (void)i;
  fwrite(tokens, 1, length, stdout);
  putchar('\n');
  return 0;
}

int main(int argc, char **argv)
{
  (void)argv;
  char *line = NULL;
  size_t room = 0, n = 0, capacity = 0;
  ptb_text *texts = NULL;
  ssize_t got;
  ptb *p;
  while ((got = getline(&line, &room, stdin)) >= 0) {
    if (n == capacity)
      texts = reallocarray(texts, capacity = capacity ? capacity * 2 : 64, sizeof *texts);
    size_t length = got && line[got - 1] == '\n' ? (size_t)got - 1 : (size_t)got;
    char *kept = malloc(length + 1);
    memcpy(kept, line, length);
    texts[n++] = (ptb_text){kept, length};
  }
  if (ptb_new(&p) < 0 || ptb_lines(p, texts, n, argc > 1, print, NULL) < 0)
    return 1;
  ptb_free(p);
  for (size_t i = 0; i < n; i++)
    free((char *)texts[i].text);
  free(texts);
  free(line);
  return 0;
}
