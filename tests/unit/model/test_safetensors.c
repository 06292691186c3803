#include "model/safetensors.h"

#include "../cmocka_all.h"
#include "model/model_files.h"
#include "util/error.h"
#include "util/file.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of this header and n bytes of data. */
static int read_made(tensor_table *table, arena *a, const char *header, size_t n)
{
  size_t h = strlen(header);
  uint8_t *file = calloc(1, 8 + h + n);
  for (int i = 0; i < 8; i++)
    file[i] = (uint8_t)(h >> 8 * i);
  memcpy(file + 8, header, h);
  int code = safetensors_read(table, a, file, 8 + h + n, "x.safetensors");
  if (code == 0)
    code = tensor_table_index(table, "x.safetensors");
  if (code < 0)
    assert_non_null(strstr(opis_error_message(), "x.safetensors"));
  free(file);
  return code;
}

static void refuses(void **state)
{
  (void)state;
  static const struct {
    const char *header;
    size_t bytes;
    const char *words; /* NULL: accepted */
  } cases[] = {
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, NULL},
    {"{}", 0, NULL},
    {"{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "outside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "behind"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "hole"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "shared"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", 16, "JSON"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "8 bytes where"},
    {"{\"a\":{\"dtype\":\"Q4_K\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "unknown type"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", 8, "shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1099511627777],\"data_offsets\":[0,8]}}", 8, "shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}}", 8, "shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "dimensions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "outside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]}}", 8, "outside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "outside"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "missing"},
    {"{\"a\":7}", 0, "missing"},
    {"[1]", 0, "object"},
    {"{\"a\":", 0, "JSON"},
    {"", 0, "JSON"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    tensor_table table = {0};
    arena a = ARENA_INIT;
    int code = read_made(&table, &a, cases[i].header, cases[i].bytes);
    if (cases[i].words) {
      assert_int_equal(code, OPIS_EFORMAT);
      if (!strstr(opis_error_message(), cases[i].words))
        fail_msg("case %zu: '%s' says nothing of '%s'", i, opis_error_message(), cases[i].words);
    } else
      assert_int_equal(code, 0);
    tensor_table_free(&table);
    arena_free(&a);
  }
  /* JSON nested without end */
  char *deep = malloc(200001);
  memset(deep, '[', 200000);
  deep[200000] = '\0';
  tensor_table table = {0};
  arena a = ARENA_INIT;
  assert_int_equal(read_made(&table, &a, deep, 0), OPIS_EFORMAT);
  free(deep);
  tensor_table_free(&table);
  arena_free(&a);
  static const uint8_t lies[][12] = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'}, {5, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' ', ' '}};
  for (size_t i = 0; i < 2; i++)
    for (size_t n = 0; n <= 12; n++)
      assert_int_equal(safetensors_read(&table, &a, lies[i], n, "x"), OPIS_EFORMAT);
}

static void more_than_four_dimensions_are_listed(void **state)
{
  (void)state;
  tensor_table table = {0};
  arena a = ARENA_INIT;
  assert_int_equal(read_made(&table, &a,
                     "{\"conv3d\":{\"dtype\":\"F32\",\"shape\":[1,1,2,1,1],\"data_offsets\":[0,8]},\"f8\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,1],\"data_offsets\":[8,10]}}", 10),
    0);
  assert_int_equal(table.n, 2);
  assert_int_equal(tensor_table_find(&table, "conv3d")->type, TENSOR_OTHER);
  assert_int_equal(tensor_table_find(&table, "f8")->dims[0], 2);
  assert_null(tensor_table_find(&table, "other"));
  tensor_table_free(&table);
  arena_free(&a);
}

static void opens_a_hub_folder(void **state)
{
  (void)state;
  char path[512], hex[65], s[96];
  float first;
  model_files *m;
  snprintf(path, sizeof path, "%s/golden/vit-gpt2/", getenv("OPIS_TESTS"));
  assert_int_equal(model_files_open(&m, path), 0);
  assert_string_equal(model_files_name(m), "vit-gpt2");
  assert_string_equal(model_files_format(m), "safetensors");
  assert_string_equal(json_string_value(json_object_get(model_files_config(m), "model_type")), "vision-encoder-decoder");
  assert_non_null(model_files_generation_config(m));
  assert_non_null(model_files_preprocessor_config(m));
  assert_non_null(model_files_tokenizer_config(m));
  size_t size;
  const char *vocabulary = model_files_text(m, "vocab.json", &size);
  assert_non_null(vocabulary);
  assert_int_equal(vocabulary[size - 1], '}');
  assert_null(model_files_text(m, "vocab.txt", &size));
  assert_true(model_files_tensors(m) > 20);
  assert_null(model_files_tensor_at(m, model_files_tensors(m)));
  const tensor *t = model_files_find(m, "decoder.transformer.wte.weight");
  assert_non_null(t);
  assert_int_equal(t->n_dims, 2);
  assert_non_null(tensor_shape_text(s, t));
  tensor_read_f32(&first, t, 0, 1);
  for (size_t i = 0; i < model_files_tensors(m); i++)
    model_files_release(m, model_files_tensor_at(m, i));
  float again;
  tensor_read_f32(&again, t, 0, 1);
  assert_true(first == again);
  assert_null(model_files_find(m, "nothing"));
  assert_int_equal(model_files_sha256(hex, m), 0);
  assert_int_equal(strlen(hex), 64);
  model_files_close(m);
}

static void put(const char *folder, const char *file, const char *text)
{
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  assert_int_equal(file_replace(path, text, strlen(text), 0666, false), 0);
}

static void put_weights(const char *folder, const char *file, const char *header, float value)
{
  char path[256], bytes[512] = {0};
  size_t h = strlen(header);
  bytes[0] = (char)h;
  memcpy(bytes + 8, header, h);
  memcpy(bytes + 8 + h, &value, 4);
  snprintf(path, sizeof path, "%s/%s", folder, file);
  assert_int_equal(file_replace(path, bytes, 8 + h + 4, 0666, false), 0);
}

static void shards(void **state)
{
  (void)state;
  char folder[] = "/tmp/opis-test-XXXXXX", command[64];
  model_files *m;
  float v;
  assert_non_null(mkdtemp(folder));
  assert_int_equal(model_files_open(&m, folder), OPIS_ENOTFOUND);
  put(folder, "config.json", "{\"model_max_length\": 1000000000000000019884624838656, \"x\": NaN, \"y\": -Infinity, \"s\": \"NaN 12345678901234567890\"}");
  put_weights(folder, "a.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 1);
  put_weights(folder, "b.safetensors", "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 2);
  put(folder, "model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":{\"b\":\"b.safetensors\",\"a\":\"a.safetensors\"}}");
  assert_int_equal(model_files_open(&m, folder), 0);
  tensor_read_f32(&v, model_files_find(m, "a"), 0, 1);
  assert_true(v == 1);
  tensor_read_f32(&v, model_files_find(m, "b"), 0, 1);
  assert_true(v == 2);
  assert_true(json_is_real(json_object_get(model_files_config(m), "model_max_length")));
  assert_true(json_is_null(json_object_get(model_files_config(m), "y")));
  assert_string_equal(json_string_value(json_object_get(model_files_config(m), "s")), "NaN 12345678901234567890");
  model_files_close(m);
  static const struct {
    const char *index;
    int code;
  } cases[] = {
    {"{\"weight_map\":{\"b\":\"b.safetensors\",\"a\":\"c.safetensors\"}}", OPIS_ENOTFOUND},
    {"{\"weight_map\":{\"b\":\"b.safetensors\",\"c\":\"a.safetensors\"}}", OPIS_EFORMAT},
    {"{\"weight_map\":{\"b\":\"../b.safetensors\"}}", OPIS_EFORMAT},
    {"{\"weight_map\":{\"b\":7}}", OPIS_EFORMAT},
    {"{\"weight_map\":{}}", OPIS_EFORMAT},
    {"{\"weight_map\":[]}", OPIS_EFORMAT},
    {"7", OPIS_EFORMAT},
    {"", OPIS_EFORMAT},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    put(folder, "model.safetensors.index.json", cases[i].index);
    assert_int_equal(model_files_open(&m, folder), cases[i].code);
    assert_null(m);
  }
  put(folder, "model.safetensors.index.json", "{\"weight_map\":{\"b\":\"b.safetensors\",\"a\":\"a.safetensors\"}}");
  put_weights(folder, "b.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 2);
  assert_int_equal(model_files_open(&m, folder), OPIS_EFORMAT);
  assert_non_null(strstr(opis_error_message(), "twice"));
  put_weights(folder, "model.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 2);
  put(folder, "config.json", "{\"a\": 1e999}");
  assert_int_equal(model_files_open(&m, folder), OPIS_EFORMAT);
  put(folder, "config.json", "[]");
  assert_int_equal(model_files_open(&m, folder), OPIS_EFORMAT);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  assert_int_equal(system(command), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(refuses),
    cmocka_unit_test(more_than_four_dimensions_are_listed),
    cmocka_unit_test(opens_a_hub_folder),
    cmocka_unit_test(shards),
  };
  return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
