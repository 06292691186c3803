/* GGUF as opis writes it. Keys: general.architecture "opis", general.name, general.license; opis.file.NAME holds the text of the hub's file NAME (config.json, tokenizer files, card).
 * Tensor names are the hub's; where one would pass ggml's 63 bytes, words of it are shortened by the table in gguf_names.c, which is also how they are found again. Dimensions are stored
 * fastest first, as GGUF wants. Two-dimensional weights that the hub stores as [in, out] (GPT-2's Conv1D) are written transposed, [out, in], so that q8_0 blocks run along the sum; their names
 * end in ".t" there, and a reader sees them as tensor.transposed.
 *
 * Weights of linear layers stand in panels (model/panels.h), unless a file is written for other programs. Then the key opis.panels (u32) holds the rows of a panel, 16, and opis.panels.tensors, an
 * array of booleans, one for each tensor of the list in its order, which of them stand so. A file has both keys or none. Tables that are only looked up, and depthwise convolutions, stay in rows. */
#ifndef MODEL_GGUF_H
#define MODEL_GGUF_H

#include "model/model_files.h"

#define GGUF_MAGIC 0x46554747u /* "GGUF", little-endian */

#define GGUF_PANELS "opis.panels"
#define GGUF_PANEL_TENSORS "opis.panels.tensors"

/* Writes a model as one GGUF at `path`. type: TENSOR_F32, TENSOR_F16 or TENSOR_Q8_0 (rows that are no multiple of 32, and everything of fewer than two dimensions, in f16).
 * panels: as opis computes with them; else in rows, as ggml has them. */
int gguf_write(const char *path, const model_files *m, tensor_type type, bool panels);

#endif
