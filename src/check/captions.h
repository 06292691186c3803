/* Inside the room: findings about captions. */
#ifndef CHECK_CAPTIONS_H
#define CHECK_CAPTIONS_H

#include "check/check.h"

/* A finding about caption i; its path is the picture's with #N. */
int check_add_caption(check_set *set, const check_settings *s, int key, size_t i, const char *format, ...) __attribute__((format(printf, 5, 6)));

int check_find_words(check_set *set, const check_settings *s); /* words.c: what needs all captions: lengths, the same words */

#endif
