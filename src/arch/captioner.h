/* A captioner: a vision encoder, what joins it to the text, and a text decoder, built from a model's files by its family. Immutable once built. */
#ifndef ARCH_CAPTIONER_H
#define ARCH_CAPTIONER_H

#include "arch/text_decoder.h"
#include "arch/vision.h"

typedef struct captioner {
  const char *family;    /* "vit-gpt2", "dinov2-gpt2", "efficientnet-lite-gpt2", "blip", "git" */
  const char *processor; /* what prepares its pictures where no file says: "ViT", "Bit", "Blip", "CLIP" */
  bool takes_prompt;
  vision vision;
  nn_linear *projection; /* encoder -> decoder width; NULL: none */
  norm projection_norm;  /* GIT */
  text_decoder text;
  int width; /* of what the decoder sees: the projection's, else the encoder's */
  /* Where generation settings are looked for, first match first (NULL: none), and the ids that the family itself fixes (-1: as the settings say). */
  const json_t *settings[3];
  int start_token, end_token;
} captioner;

/* 0 when opis runs what a config.json describes; OPIS_EUNSUPPORTED says what it is, and what opis runs. `name` is the model's, for the message. */
int captioner_supported(const json_t *config, const char *name);

/* Builds what config.json describes. OPIS_EUNSUPPORTED names the architecture that it is, and those that opis runs. */
int captioner_build(captioner *m, loader *l);

#endif
