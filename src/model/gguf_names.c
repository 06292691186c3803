/* Shortened tensor names: ggml allows 63 bytes. */
#include "model/gguf_names.h"

#include <string.h>

/* Words that are long and frequent in the hub's names, and what stands for them; replaced in this order, and back in the same order. No short form occurs in any name of the hub's. */
static const struct {
  const char *full, *brief;
} words[] = {
  {"decoder.transformer.h.", "dec.h."},
  {"text_decoder.bert.encoder.layer.", "txt.l."},
  {"git.image_encoder.vision_model.encoder.layers.", "gim.l."},
  {"git.image_encoder.vision_model.", "gim."},
  {"encoder.encoder.layer.", "enc.l."},
  {"crossattention", "xattn"},
  {"attention.attention", "attnattn"},
};

static void replace(char *name, size_t capacity, const char *from, const char *to)
{
  char *at = strstr(name, from);
  size_t n = strlen(name), a = strlen(from), b = strlen(to);
  if (!at || n - a + b + 1 > capacity)
    return;
  memmove(at + b, at + a, strlen(at + a) + 1);
  memcpy(at, to, b);
}

void gguf_name_shorten(char *name, size_t capacity)
{
  if (strlen(name) <= GGUF_NAME_MAX)
    return;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    replace(name, capacity, words[i].full, words[i].brief);
}

void gguf_name_restore(char *name, size_t capacity)
{
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    replace(name, capacity, words[i].brief, words[i].full);
}
