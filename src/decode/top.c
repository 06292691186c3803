#include "decode/top.h"

void top_offer(top_item *items, size_t *kept, size_t k, const float *scores, size_t n, int32_t first)
{
  size_t m = *kept;
  float least = m < k ? 0 : items[m - 1].score;
  for (size_t i = 0; i < n; i++) {
    float s = scores[i];
    if (m == k && !(s > least)) /* most of a vocabulary ends here */
      continue;
    size_t at = m < k ? m++ : m - 1;
    for (; at > 0 && items[at - 1].score < s; at--)
      items[at] = items[at - 1];
    items[at] = (top_item){s, first + (int32_t)i};
    least = items[m - 1].score;
  }
  *kept = m;
}
