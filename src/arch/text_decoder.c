/* What the decoders are made of: names and flags of GPT-2, BLIP's BERT and GIT's. */
#include "arch/text_decoder.h"

#include "util/error.h"

#include <math.h>
#include <opis/model.h>
#include <stdio.h>
#include <string.h>

static void common(loader *l, text_decoder *d, int64_t hidden, int64_t heads, int64_t layers, int64_t positions, int64_t vocab)
{
  d->o.hidden = (int)hidden;
  d->o.heads = (int)heads;
  d->layers = (int)layers;
  d->positions = (int)positions;
  d->vocab = (int)vocab;
  if (l->code == 0 && hidden % heads)
    l->code = error_set(OPIS_EFORMAT, "config.json: a width of %lld with %lld heads", (long long)hidden, (long long)heads);
  d->blocks = l->code == 0 ? arena_calloc(l->memory, (size_t)layers, sizeof *d->blocks) : NULL;
  if (!d->blocks && l->code == 0)
    l->code = OPIS_ENOMEM;
}

/* The word table: looked up from the file, as only a few rows of it are ever needed. Where one table serves both ends, a file may hold it under the output layer's name. */
static const tensor *words(loader *l, const text_decoder *d, const char *name, const char *head, bool tied)
{
  const int64_t dims[2] = {d->vocab, d->o.hidden};
  return loader_tensor(l, 2, dims, "%s", tied && !loader_optional(l, "%s", name) && loader_optional(l, "%s", head) ? head : name);
}

/* The output layer: the word table where they are tied, whatever else the file holds, or one of its own. */
static void output_layer(loader *l, text_decoder *d, const char *head, bool tied, const tensor *bias)
{
  const int64_t dims[2] = {d->vocab, d->o.hidden};
  tied = tied || (l->code == 0 && !loader_optional(l, "%s", head)); /* files that leave it out mean the table */
  const tensor *weight = tied ? d->words : loader_tensor(l, 2, dims, "%s", head);
  d->head = loader_linear_of(l, weight, bias);
  if (!tied && l->code == 0)
    l->parameters += (uint64_t)d->vocab * (uint64_t)d->o.hidden;
}

/* Keys and values of a picture, which every step reads whole, lose less as halves than 8-bit weights have lost before. */
static void choose_cross(text_decoder *d, const loader *l)
{
  d->o.half_cross = l->code == 0 && d->blocks[0].cross_kv;
  for (int i = 0; i < d->layers && d->o.half_cross; i++)
    d->o.half_cross = nn_linear_is_q8(d->blocks[i].cross_kv);
}

/* ---- GPT-2 ---- */

static void gpt2_block(loader *l, const text_decoder *d, block *b, const char *prefix, int i, float eps)
{
  char below[256];
  int64_t h = d->o.hidden, w = d->o.intermediate;
  snprintf(below, sizeof below, "%sh.%d.", prefix, i);
  b->norm1 = loader_norm(l, h, eps, "%sln_1", below);
  b->qkv = loader_linear_stack(l, (loader_linear){.N = 3 * h, .K = h, .conv1d = true, .bias = 1}, below, "attn.c_attn");
  b->out = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .conv1d = true, .bias = 1}, below, "attn.c_proj");
  b->norm_cross = loader_norm(l, h, eps, "%sln_cross_attn", below);
  b->cross_q = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .conv1d = true, .bias = 1}, below, "crossattention.q_attn");
  b->cross_kv = loader_linear_stack(l, (loader_linear){.N = 2 * h, .K = h, .conv1d = true, .wide = true, .bias = 1}, below, "crossattention.c_attn");
  b->cross_out = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .conv1d = true, .bias = 1}, below, "crossattention.c_proj");
  b->norm2 = loader_norm(l, h, eps, "%sln_2", below);
  b->fc1 = loader_linear_stack(l, (loader_linear){.N = w, .K = h, .conv1d = true, .bias = 1}, below, "mlp.c_fc");
  b->fc2 = loader_linear_stack(l, (loader_linear){.N = h, .K = w, .conv1d = true, .bias = 1}, below, "mlp.c_proj");
  /* Transformers 4.57's default attention (sdpa) passes scale_attn_weights and scale_attn_by_inverse_layer_idx over, and so its answers are those of this scale whatever they say. */
  b->attention_scale = (float)(1.0 / sqrt((double)h / d->o.heads));
}

void text_decoder_gpt2(loader *l, text_decoder *d, const json_t *config, const char *prefix, int encoder_hidden)
{
  char table[128], head[128], body[128];
  snprintf(body, sizeof body, "%stransformer.", prefix);
  snprintf(table, sizeof table, "%stransformer.wte.weight", prefix);
  snprintf(head, sizeof head, "%slm_head.weight", prefix);
  int64_t h = loader_int(l, config, "n_embd", 768, 1, 16384);
  float eps = loader_eps(l, config, "layer_norm_epsilon", 1e-5);
  d->o.activation = loader_activation(l, config, "activation_function", "gelu_new");
  d->o.intermediate = (int)loader_int(l, config, "n_inner", 4 * h, 1, 1 << 17);
  common(l, d, h, loader_int(l, config, "n_head", 12, 1, 1024), loader_int(l, config, "n_layer", 12, 1, 256), loader_int(l, config, "n_positions", 1024, 1, 1 << 20),
    loader_int(l, config, "vocab_size", 50257, 1, 1 << 22));
  if (l->code == 0 && encoder_hidden != h)
    l->code = error_set(OPIS_EFORMAT, "%s: the encoder is %d wide and the decoder %lld, and there is no enc_to_dec_proj", model_files_name(l->files), encoder_hidden, (long long)h);
  d->encoder_hidden = encoder_hidden;
  bool tied = loader_flag(l, config, "tie_word_embeddings", true);
  d->words = words(l, d, table, head, tied);
  d->position = loader_table(l, (int64_t)d->positions * h, "%swpe.weight", body);
  for (int i = 0; i < d->layers && l->code == 0; i++)
    gpt2_block(l, d, &d->blocks[i], body, i, eps);
  choose_cross(d, l);
  d->final_norm = loader_norm(l, h, eps, "%sln_f", body);
  output_layer(l, d, head, tied, NULL);
}

/* ---- BERT ---- */

static void bert_block(loader *l, const text_decoder *d, block *b, const char *prefix, int i, float eps, int encoder_hidden)
{
  char below[256];
  int64_t h = d->o.hidden, w = d->o.intermediate;
  snprintf(below, sizeof below, "%sencoder.layer.%d.", prefix, i);
  b->qkv = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .bias = 1}, below, "attention.self.query|attention.self.key|attention.self.value");
  b->out = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .bias = 1}, below, "attention.output.dense");
  b->norm1 = loader_norm(l, h, eps, "%sattention.output.LayerNorm", below);
  if (encoder_hidden) {
    b->cross_q = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .bias = 1}, below, "crossattention.self.query");
    b->cross_kv = loader_linear_stack(l, (loader_linear){.N = h, .K = encoder_hidden, .wide = true, .bias = 1}, below, "crossattention.self.key|crossattention.self.value");
    b->cross_out = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .bias = 1}, below, "crossattention.output.dense");
    b->norm_cross = loader_norm(l, h, eps, "%scrossattention.output.LayerNorm", below);
  }
  b->fc1 = loader_linear_stack(l, (loader_linear){.N = w, .K = h, .bias = 1}, below, "intermediate.dense");
  b->fc2 = loader_linear_stack(l, (loader_linear){.N = h, .K = w, .bias = 1}, below, "output.dense");
  b->norm2 = loader_norm(l, h, eps, "%soutput.LayerNorm", below);
  b->attention_scale = (float)(1.0 / sqrt((double)h / d->o.heads));
}

/* What a family's configuration class takes for granted. */
typedef struct bert_usual {
  int64_t heads, layers, positions, vocab;
  bool tied;
  const char *head; /* the output layer's weight */
} bert_usual;

/* Embeddings and layers, which BLIP's decoder and GIT's share. */
static void bert(loader *l, text_decoder *d, const json_t *config, const bert_usual *usual, const char *prefix, int encoder_hidden)
{
  char table[128];
  const char *kind = json_string_value(json_object_get(config, "position_embedding_type"));
  if (l->code == 0 && kind && strcmp(kind, "absolute") != 0)
    l->code = error_set(OPIS_EUNSUPPORTED, "config.json: position_embedding_type: '%.64s' is not known, only 'absolute'", kind);
  int64_t h = loader_int(l, config, "hidden_size", 768, 1, 16384);
  float eps = loader_eps(l, config, "layer_norm_eps", 1e-12);
  d->o.post_norm = true;
  d->o.activation = loader_activation(l, config, "hidden_act", "gelu");
  d->o.intermediate = (int)loader_int(l, config, "intermediate_size", 3072, 1, 1 << 17);
  common(l, d, h, loader_int(l, config, "num_attention_heads", usual->heads, 1, 1024), loader_int(l, config, "num_hidden_layers", usual->layers, 1, 256),
    loader_int(l, config, "max_position_embeddings", usual->positions, 1, 1 << 20), loader_int(l, config, "vocab_size", usual->vocab, 1, 1 << 22));
  d->encoder_hidden = encoder_hidden ? encoder_hidden : (int)h;
  snprintf(table, sizeof table, "%sembeddings.word_embeddings.weight", prefix);
  d->words = words(l, d, table, usual->head, loader_flag(l, config, "tie_word_embeddings", usual->tied));
  d->position = loader_table(l, (int64_t)d->positions * h, "%sembeddings.position_embeddings.weight", prefix);
  d->embedding_norm = loader_norm(l, h, eps, "%sembeddings.LayerNorm", prefix);
  for (int i = 0; i < d->layers && l->code == 0; i++)
    bert_block(l, d, &d->blocks[i], prefix, i, eps, encoder_hidden);
  choose_cross(d, l);
}

void text_decoder_blip(loader *l, text_decoder *d, const json_t *config, int encoder_hidden)
{
  static const char predictions[] = "text_decoder.cls.predictions.";
  static const bert_usual usual = {8, 12, 512, 30524, true, "text_decoder.cls.predictions.decoder.weight"};
  bert(l, d, config, &usual, "text_decoder.bert.", encoder_hidden);
  if (l->code < 0)
    return;
  const int64_t h = d->o.hidden, vocab = d->vocab;
  d->transform = loader_linear_stack(l, (loader_linear){.N = h, .K = h, .bias = 1}, predictions, "transform.dense");
  d->transform_activation = d->o.activation;
  d->transform_norm = loader_norm(l, h, loader_eps(l, config, "layer_norm_eps", 1e-12), "%stransform.LayerNorm", predictions);
  /* The output layer has a bias of its own, which stands as "bias" or "decoder.bias". */
  const tensor *bias = loader_tensor(l, 1, &vocab, "%s%s", predictions, loader_optional(l, "%sbias", predictions) ? "bias" : "decoder.bias");
  output_layer(l, d, usual.head, loader_flag(l, config, "tie_word_embeddings", usual.tied), bias);
}

void text_decoder_git(loader *l, text_decoder *d, const json_t *config)
{
  static const bert_usual usual = {12, 6, 1024, 30522, false, "output.weight"};
  bert(l, d, config, &usual, "git.", 0);
  d->prefix = true;
  const int64_t vocab = d->vocab;
  const tensor *bias = loader_tensor(l, 1, &vocab, "output.bias");
  output_layer(l, d, usual.head, loader_flag(l, config, "tie_word_embeddings", usual.tied), bias);
}
