#define FORMAT CAPTIONS_TOKEN
#include "fuzz_captions.h"
