/* Token files: NAME[#NUMBER]<TAB>CAPTION. */
#include "captions/internal.h"

#include <string.h>

int captions_read_token(captions *c, char *bytes, size_t size, const char *name)
{
  (void)name;
  caption_lines l = {bytes, bytes + size, 0};
  char *s;
  size_t n;
  while (captions_next_line(&l, &s, &n)) {
    size_t blank = 0;
    while (blank < n && (s[blank] == ' ' || s[blank] == '\t'))
      blank++;
    if (blank == n)
      continue;
    char *tab = memchr(s, '\t', n);
    int e;
    if (!tab)
      e = captions_problem(c, l.line, "no tab between the picture and its caption: line left out");
    else {
      /* "a#b.jpg#0": only digits behind the last # are the number of the caption. */
      size_t length = (size_t)(tab - s), k = length;
      while (k && s[k - 1] >= '0' && s[k - 1] <= '9')
        k--;
      if (k && k < length && s[k - 1] == '#')
        length = k - 1;
      e = captions_add(c, s, length, tab + 1, n - (size_t)(tab + 1 - s), NULL, l.line);
    }
    if (e < 0)
      return e;
  }
  return 0;
}
