/* Inside the room: the metrics of a set of pictures are functions of sums over the pictures. */
#ifndef EVAL_SUMS_H
#define EVAL_SUMS_H

#include "eval/eval.h"

typedef struct eval_sums {
  double guess[4], correct[4], length, reference_length, rouge, cider, n;
} eval_sums;

void eval_sums_add(eval_sums *s, const eval_picture *p);
void eval_sums_score(double score[EVAL_METRICS], const eval_sums *s);

#endif
