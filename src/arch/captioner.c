/* The table of families. */
#include "arch/captioner.h"

#include "util/error.h"

#include <stdio.h>
#include <string.h>

/* ---- an encoder and GPT-2 (VisionEncoderDecoderModel) ---- */

static const struct {
  const char *model_type, *family, *processor;
  void (*build)(loader *l, vision *v, const json_t *config, const char *prefix);
} encoders[] = {
  {"vit", "vit-gpt2", "ViT", vision_vit},
  {"dinov2", "dinov2-gpt2", "Bit", vision_dinov2},
  {"efficientnet-lite", "efficientnet-lite-gpt2", "ViT", vision_efficientnet_lite},
};

static void encoder_decoder(captioner *m, loader *l, const json_t *config)
{
  const json_t *encoder = json_object_get(config, "encoder"), *decoder = json_object_get(config, "decoder");
  const char *type = json_string_value(json_object_get(encoder, "model_type")), *text = json_string_value(json_object_get(decoder, "model_type"));
  for (size_t i = 0; type && i < sizeof encoders / sizeof *encoders; i++)
    if (strcmp(encoders[i].model_type, type) == 0 && text && strcmp(text, "gpt2") == 0) {
      m->family = encoders[i].family;
      m->processor = encoders[i].processor;
      encoders[i].build(l, &m->vision, encoder, "encoder.");
    }
  if (l->code < 0)
    return;
  m->width = m->vision.hidden;
  if (l->code == 0 && loader_optional(l, "enc_to_dec_proj.weight")) {
    m->width = (int)loader_int(l, decoder, "n_embd", 768, 1, 16384);
    m->projection = loader_linear_stack(l, (loader_linear){.N = m->width, .K = m->vision.hidden, .wide = true, .bias = 1}, "", "enc_to_dec_proj");
  }
  text_decoder_gpt2(l, &m->text, decoder, "decoder.", m->width);
  const json_t *generation = model_files_generation_config(l->files);
  m->settings[0] = generation ? generation : config;
  m->settings[1] = generation ? NULL : decoder;
}

/* ---- BLIP ---- */

static void blip(captioner *m, loader *l, const json_t *config)
{
  const json_t *text = json_object_get(config, "text_config");
  m->family = "blip";
  m->processor = "Blip";
  m->takes_prompt = true;
  vision_blip(l, &m->vision, json_object_get(config, "vision_config"), "vision_model.");
  m->width = m->vision.hidden;
  text_decoder_blip(l, &m->text, text, m->width);
  /* BlipForConditionalGeneration.generate gives the ids of text_config to a decoder that has only text_config's settings. */
  m->settings[0] = text;
  m->start_token = (int)loader_int(l, text, "bos_token_id", 30522, 0, 1 << 22);
  m->end_token = (int)loader_int(l, text, "sep_token_id", 102, 0, 1 << 22);
}

/* ---- GIT ---- */

static void git(captioner *m, loader *l, const json_t *config)
{
  m->family = "git";
  m->processor = "CLIP";
  m->takes_prompt = true;
  vision_clip(l, &m->vision, json_object_get(config, "vision_config"), "git.image_encoder.vision_model.");
  m->width = (int)loader_int(l, config, "hidden_size", 768, 1, 16384);
  if (l->code < 0)
    return;
  m->projection = loader_linear_stack(l, (loader_linear){.N = m->width, .K = m->vision.hidden, .wide = true, .bias = 1}, "git.visual_projection.visual_projection.", "0");
  m->projection_norm = loader_norm(l, m->width, loader_eps(l, json_object_get(config, "vision_config"), "layer_norm_eps", 1e-5), "git.visual_projection.visual_projection.1");
  text_decoder_git(l, &m->text, config);
  m->settings[0] = model_files_generation_config(l->files);
  m->settings[1] = m->settings[0] ? NULL : config;
}

static const struct {
  const char *architecture, *model_type;
  void (*build)(captioner *m, loader *l, const json_t *config);
} families[] = {
  {"VisionEncoderDecoderModel", "vision-encoder-decoder", encoder_decoder},
  {"BlipForConditionalGeneration", "blip", blip},
  {"GitForCausalLM", "git", git},
};

/* The parts of an encoder and a decoder. */
static int parts_supported(const json_t *config, const char *name)
{
  const char *type = json_string_value(json_object_get(json_object_get(config, "encoder"), "model_type"));
  const char *text = json_string_value(json_object_get(json_object_get(config, "decoder"), "model_type"));
  for (size_t i = 0; type && text && i < sizeof encoders / sizeof *encoders; i++)
    if (strcmp(encoders[i].model_type, type) == 0 && strcmp(text, "gpt2") == 0)
      return 0;
  return error_set(OPIS_EUNSUPPORTED, "%s: this is a VisionEncoderDecoderModel of %.40s and %.40s; opis runs vit, dinov2 and efficientnet-lite encoders with a gpt2 decoder", name,
    type ? type : "(no model_type)", text ? text : "(no model_type)");
}

static int find_family(size_t *family, const json_t *config, const char *name)
{
  const char *architecture = json_string_value(json_array_get(json_object_get(config, "architectures"), 0)), *type = json_string_value(json_object_get(config, "model_type"));
  for (size_t i = 0; i < sizeof families / sizeof *families; i++)
    if (architecture ? strcmp(architecture, families[i].architecture) == 0 : type && strcmp(type, families[i].model_type) == 0) {
      *family = i;
      return families[i].build == encoder_decoder ? parts_supported(config, name) : 0;
    }
  const char *what = architecture ? architecture : type ? type : "model without architectures and model_type";
  bool vowel = strchr("AEIOUaeiou", what[0]) != NULL;
  return error_set(OPIS_EUNSUPPORTED,
    "%s: this is a%s %.64s; opis runs VisionEncoderDecoderModel (ViT, DINOv2 or EfficientNet-Lite with GPT-2), BlipForConditionalGeneration and GitForCausalLM", name,
    vowel ? "n" : "", what);
}

int captioner_supported(const json_t *config, const char *name)
{
  size_t family;
  int code = find_family(&family, config, name);
  const json_t *quantized = json_object_get(config, "quantization_config");
  const char *method = json_string_value(json_object_get(quantized, "quant_method"));
  if (code == 0 && json_is_object(quantized))
    code = error_set(OPIS_EUNSUPPORTED, "%s: its weights are quantised (%.40s); opis reads f32, f16 and bf16, and makes 8 bits of them itself (--precision q8)", name,
      method ? method : "quantization_config");
  return code;
}

int captioner_build(captioner *m, loader *l)
{
  const json_t *config = model_files_config(l->files);
  size_t family;
  *m = (captioner){.start_token = -1, .end_token = -1};
  int code = find_family(&family, config, model_files_name(l->files));
  if (code < 0)
    return code;
  families[family].build(m, l, config);
  loader_finish(l);
  return l->code;
}
