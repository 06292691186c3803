#define FORMAT CAPTIONS_CSV
#include "fuzz_captions.h"
