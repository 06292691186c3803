#define FORMAT CAPTIONS_JSONL
#include "fuzz_captions.h"
