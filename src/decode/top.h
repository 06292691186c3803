/* The best k of many numbers, without sorting the rest. */
#ifndef DECODE_TOP_H
#define DECODE_TOP_H

#include <stddef.h>
#include <stdint.h>

typedef struct top_item {
  float score;
  int32_t index;
} top_item;

/* Offers scores[0..n) (their indices counted from `first`) to the best k kept in items, best first; *kept is how many there are so far. Equal scores: the lower index goes first. */
void top_offer(top_item *items, size_t *kept, size_t k, const float *scores, size_t n, int32_t first);

#endif
