#define FORMAT CAPTIONS_JSON
#include "fuzz_captions.h"
