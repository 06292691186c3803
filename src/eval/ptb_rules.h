/* The grammar of ptb.c: what characters are called inside the patterns, and the rules in their order. */
#ifndef EVAL_PTB_RULES_H
#define EVAL_PTB_RULES_H

#include "eval/pattern.h"

/* Characters beyond ASCII stand in the patterns for their kind, one byte each. */
enum ptb_symbol {
  PTB_UPPER = 0x80,  /* an upper-case letter */
  PTB_LETTER = 0x81, /* another letter */
  PTB_MARK = 0x82,   /* what belongs to a word without being a letter */
  PTB_DIGIT = 0x83,
  PTB_SPACE = 0x84,
  PTB_NBSP = 0x85,
  PTB_SOFT = 0x86,         /* soft hyphen */
  PTB_RIGHT_SINGLE = 0x87, /* closing single quotation mark, an apostrophe too */
  PTB_LEFT_SINGLE = 0x88,  /* opening single quotation marks */
  PTB_QUOTE = 0x89,        /* the other quotation marks */
  PTB_DASH = 0x8a,         /* en, em and longer dashes */
  PTB_HYPHEN = 0x8b,       /* hyphens inside words */
  PTB_ELLIPSIS = 0x8c,
  PTB_SCRIPT_SIGN = 0x8d, /* raised and lowered + and - */
  PTB_SUPERSCRIPT = 0x8e, /* raised digits */
  PTB_SUBSCRIPT = 0x8f,   /* lowered digits */
  PTB_FRACTION = 0x90,    /* one half, … */
  PTB_CURRENCY = 0x91,
  PTB_FRACTION_SLASH = 0x92,
  PTB_STOP = 0x93,  /* full stops and question marks of other scripts */
  PTB_COMMA = 0x94, /* ideographic comma */
  PTB_NUMBER_SEPARATOR = 0x95,
  PTB_SIGN = 0x96,      /* symbols that stand alone */
  PTB_INVISIBLE = 0x97, /* zero-width spaces and marks of direction */
  PTB_OTHER = 0x98,     /* left out */
};

typedef enum ptb_action {
  PTB_KEEP,        /* the text is the token */
  PTB_UNSOFTEN,    /* without soft hyphens */
  PTB_AMPERSAND,   /* &amp; becomes & */
  PTB_JOIN_SPACES, /* spaces inside become no-break spaces */
  PTB_PHONE,       /* the same, and brackets become their names */
  PTB_BRACKETS,    /* brackets become their names */
  PTB_BACK_2,      /* the last 2 characters are left for the next token */
  PTB_BACK_3,
  PTB_ABBREVIATION, /* the full stop is read a second time, as a token of its own */
  PTB_ACRONYM,      /* the same, but from a single letter it is taken off */
  PTB_QUOTE_LEFT,
  PTB_QUOTE_RIGHT,
  PTB_CURRENCY_NAME,
  PTB_FRACTION_DIGITS,
  PTB_HYPHENS,
  PTB_SKIP,
  PTB_NEWLINE,
  PTB_FIXED /* the token is `fixed` */
} ptb_action;

typedef struct ptb_rule {
  const char *pattern, *trailing;
  ptb_action action;
  const char *fixed;
} ptb_rule;

extern const pattern_macro ptb_macros[];
extern const ptb_rule ptb_rules[]; /* ended by pattern NULL */

#endif
