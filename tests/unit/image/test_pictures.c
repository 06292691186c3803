/* Pictures of every kind against what Pillow reads (tests/golden/pictures/expected.json). */
#include "image/image.h"

#include "../cmocka_all.h"
#include "util/crypto.h"
#include "util/error.h"
#include "util/file.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *expected, *odd; /* golden/pictures, and golden/odd: settings that few encoders use */

static char *path_in(const char *folder, const char *name)
{
  static char path[512];
  snprintf(path, sizeof path, "%s/golden/%s/%s", getenv("OPIS_TESTS"), folder, name);
  return path;
}

static char *path_of(const char *name)
{
  return path_in("pictures", name);
}

static int load_expected(void **state)
{
  (void)state;
  expected = json_load_file(path_of("expected.json"), 0, NULL);
  odd = json_load_file(path_in("odd", "expected.json"), 0, NULL);
  return expected && odd ? 0 : -1;
}

static int free_expected(void **state)
{
  (void)state;
  json_decref(expected);
  json_decref(odd);
  return 0;
}

static void hash(char hex[65], const uint8_t *bytes, size_t n)
{
  unsigned char sum[32];
  EVP_Digest(bytes, n, sum, NULL, EVP_sha256(), NULL);
  for (int i = 0; i < 32; i++)
    snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static int wrong_pictures(const char *folder, const json_t *list)
{
  size_t i;
  json_t *entry;
  int wrong = 0;
  assert_true(json_array_size(list) > 20);
  json_array_foreach(list, i, entry)
  {
    const char *file = json_string_value(json_object_get(entry, "file"));
    opis_image *image;
    if (opis_image_open_file(&image, path_in(folder, file), NULL) < 0) {
      print_error("%s\n", opis_error_message());
      wrong++;
      continue;
    }
    char hex[65];
    size_t n = (size_t)image->width * (size_t)image->height;
    hash(hex, image->rgb, n * 3);
    bool same = strcmp(hex, json_string_value(json_object_get(entry, "rgb_sha256"))) == 0;
    if (image->width != json_integer_value(json_object_get(entry, "width")) || image->height != json_integer_value(json_object_get(entry, "height"))) {
      print_error("%s: %d x %d\n", file, image->width, image->height);
      wrong++;
    } else if (!same && !json_is_true(json_object_get(entry, "lossy"))) {
      print_error("%s: other pixels\n", file);
      wrong++;
    }
    for (size_t c = 0; c < 3; c++) {
      double sum = 0;
      for (size_t p = 0; p < n; p++)
        sum += image->rgb[3 * p + c];
      if (fabs(sum / (double)n - json_number_value(json_array_get(json_object_get(entry, "mean"), c))) > 0.5) {
        print_error("%s: channel %zu has the mean %g\n", file, c, sum / (double)n);
        wrong++;
      }
    }
    opis_image_free(image);
  }
  return wrong;
}

static void every_picture_is_what_pillow_reads(void **state)
{
  (void)state;
  assert_int_equal(wrong_pictures("pictures", json_object_get(expected, "pictures")), 0);
}

static void odd_settings_are_what_pillow_reads(void **state)
{
  (void)state;
  assert_int_equal(wrong_pictures("odd", json_object_get(odd, "pictures")), 0);
}

static void every_resize_is_pillows(void **state)
{
  (void)state;
  static const char *const names[] = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"};
  size_t i;
  json_t *entry;
  int wrong = 0;
  json_array_foreach(json_object_get(expected, "resized"), i, entry)
  {
    opis_image *image;
    int width = (int)json_integer_value(json_object_get(entry, "width")), height = (int)json_integer_value(json_object_get(entry, "height")), filter = 0;
    const char *file = json_string_value(json_object_get(entry, "file")), *name = json_string_value(json_object_get(entry, "filter"));
    while (strcmp(names[filter], name) != 0)
      filter++;
    assert_int_equal(opis_image_open_file(&image, path_of(file), NULL), 0);
    uint8_t *out = malloc((size_t)width * (size_t)height * 3);
    assert_int_equal(image_resize(NULL, out, width, height, image->rgb, image->width, image->height, 3, (image_filter)filter), 0);
    char hex[65];
    hash(hex, out, (size_t)width * (size_t)height * 3);
    if (strcmp(hex, json_string_value(json_object_get(entry, "rgb_sha256"))) != 0) {
      print_error("%s to %d x %d, %s: other pixels\n", file, width, height, name);
      wrong++;
    }
    free(out);
    opis_image_free(image);
  }
  assert_int_equal(wrong, 0);
}

/* rgb.png (160 x 107) by Pillow 13.0.0, which resizes vertically first where the height loses more than twice what the width does: the first 8 bytes of the pixels' SHA-256. */
static void tall_pictures_are_resized_as_by_pillow_13(void **state)
{
  (void)state;
  static const struct {
    int width, height, filter;
    const char *hash;
  } want[] = {{150, 20, 0, "368431f81ff72156"}, {150, 20, 1, "0ffb5a3f166a0340"}, {150, 20, 2, "a6ecc0f9a0764e29"}, {150, 20, 3, "9626ee8b528bfcb5"},
    {150, 20, 4, "6f6481448258b831"}, {150, 20, 5, "f3fb9f5d74242f04"}, {224, 20, 0, "959de5a87935b9f3"}, {224, 20, 1, "6d27295207d5a4da"}, {224, 20, 2, "733380f4d38be584"},
    {224, 20, 3, "cfde13dbc7bdb2ff"}, {224, 20, 4, "8c870a16f726b65e"}, {224, 20, 5, "d166cd59b8419720"}, {160, 11, 0, "a5c5bc4da61b5887"}, {160, 11, 1, "d5fe49c518d136ac"},
    {160, 11, 2, "18093ebcfa50fe96"}, {160, 11, 3, "944d96f7c816290b"}, {160, 11, 4, "6401aa630b17ccf9"}, {160, 11, 5, "fe43a441e5b83048"}, {40, 30, 0, "dd8bd6f6f200d4d8"},
    {40, 30, 1, "432231a99266e634"}, {40, 30, 2, "d9b9bacd5568cb41"}, {40, 30, 3, "371f80d1d471d0ba"}, {40, 30, 4, "62f595f00730505a"}, {40, 30, 5, "00903d3503b8e843"}};
  opis_image *image;
  int wrong = 0;
  assert_int_equal(opis_image_open_file(&image, path_of("rgb.png"), NULL), 0);
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    static uint8_t out[224 * 160 * 3];
    char hex[65];
    assert_int_equal(image_resize(NULL, out, want[i].width, want[i].height, image->rgb, image->width, image->height, 3, (image_filter)want[i].filter), 0);
    hash(hex, out, (size_t)want[i].width * (size_t)want[i].height * 3);
    if (strncmp(hex, want[i].hash, 16) != 0) {
      print_error("%d x %d, filter %d: other pixels\n", want[i].width, want[i].height, want[i].filter);
      wrong++;
    }
  }
  assert_int_equal(wrong, 0);
  opis_image_free(image);
}

/* Rows that threads divide among themselves are the rows of one thread. */
static void threads_resize_the_same(void **state)
{
  (void)state;
  enum { MOST = 700 };
  uint8_t *pixels = malloc(MOST * MOST * 4), *alone = malloc(MOST * MOST * 4), *together = malloc(MOST * MOST * 4);
  uint32_t seed = 99;
  pool *threads;
  assert_int_equal(pool_new(&threads, 3), 0);
  for (size_t i = 0; i < MOST * MOST * 4; i++)
    pixels[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  for (int round = 0; round < 60; round++) {
    int side[4]; /* width and height, and those of the result */
    const int channels = 1 + round % 4, filter = round % 6;
    for (int i = 0; i < 4; i++)
      side[i] = 1 + (int)((seed = seed * 1664525u + 1013904223u) >> 8) % MOST;
    assert_int_equal(image_resize(NULL, alone, side[2], side[3], pixels, side[0], side[1], channels, (image_filter)filter), 0);
    assert_int_equal(image_resize(threads, together, side[2], side[3], pixels, side[0], side[1], channels, (image_filter)filter), 0);
    assert_memory_equal(alone, together, (size_t)side[2] * (size_t)side[3] * (size_t)channels);
  }
  pool_free(threads);
  free(pixels);
  free(alone);
  free(together);
}

static void every_broken_picture_is_refused(void **state)
{
  (void)state;
  size_t i;
  json_t *entry;
  int wrong = 0;
  json_array_foreach(json_object_get(expected, "broken"), i, entry)
  {
    char name[128];
    opis_image *image;
    snprintf(name, sizeof name, "broken/%s", json_string_value(entry));
    int code = opis_image_open_file(&image, path_of(name), NULL);
    if (code != OPIS_EFORMAT && code != OPIS_ELIMIT) {
      print_error("%s: %s\n", name, opis_error_name(code));
      wrong++;
      opis_image_free(image);
    } else
      assert_non_null(strstr(opis_error_message(), json_string_value(entry)));
  }
  assert_int_equal(wrong, 0);
}

static void every_truncation_is_survived(void **state)
{
  (void)state;
  static const char *const files[] = {"cat.jpg", "rgb.png", "lossy.webp", "exif6.jpg", "palette_transparent.png", "animated.webp", "animated.gif", "still.gif", "lzw.tiff",
    "picture.ppm", "picture.pgm", "rgb.bmp", "palette.bmp"};
  for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
    char *bytes;
    size_t size;
    assert_int_equal(file_read(&bytes, &size, path_of(files[f]), 1 << 24), 0);
    for (size_t n = 0; n < size; n += 1 + size / 97) {
      opis_image *image;
      uint8_t *cut = malloc(n + 1); /* a block of its own, so that a read past the end is seen */
      memcpy(cut, bytes, n);
      if (opis_image_open_memory(&image, cut, n, NULL) == 0)
        opis_image_free(image);
      free(cut);
    }
    free(bytes);
  }
}

static void limits_hold(void **state)
{
  (void)state;
  opis_image *image;
  opis_image_options o = OPIS_IMAGE_OPTIONS_INIT;
  o.max_pixels = 451 * 300;
  assert_int_equal(opis_image_open_file(&image, path_of("cat.jpg"), &o), 0);
  opis_image_free(image);
  o.max_pixels--;
  assert_int_equal(opis_image_open_file(&image, path_of("cat.jpg"), &o), OPIS_ELIMIT);
  assert_null(image);
  o = (opis_image_options)OPIS_IMAGE_OPTIONS_INIT;
  o.max_bytes = 100;
  assert_int_equal(opis_image_open_file(&image, path_of("cat.jpg"), &o), OPIS_ELIMIT);
}

static void pixels_of_any_channels(void **state)
{
  (void)state;
  const uint8_t grey[] = {10, 20, 99, 30, 40, 99}, rgba[] = {1, 2, 3, 4, 5, 6, 7, 8};
  opis_image *image;
  assert_int_equal(opis_image_from_pixels(&image, grey, 2, 2, 1, 3), 0);
  assert_memory_equal(opis_image_rgb(image), ((const uint8_t[]){10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40}), 12);
  opis_image_free(image);
  assert_int_equal(opis_image_from_pixels(&image, rgba, 2, 1, 4, 0), 0);
  assert_memory_equal(opis_image_rgb(image), ((const uint8_t[]){1, 2, 3, 5, 6, 7}), 6);
  opis_image_free(image);
  assert_int_equal(opis_image_from_pixels(&image, rgba, 2, 1, 2, 0), OPIS_EINVALID);
  assert_int_equal(opis_image_from_pixels(&image, rgba, 0, 1, 3, 0), OPIS_EINVALID);
  assert_int_equal(opis_image_from_pixels(&image, rgba, 2, 1, 4, 7), OPIS_EINVALID);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_picture_is_what_pillow_reads),
    cmocka_unit_test(odd_settings_are_what_pillow_reads),
    cmocka_unit_test(every_resize_is_pillows),
    cmocka_unit_test(tall_pictures_are_resized_as_by_pillow_13),
    cmocka_unit_test(threads_resize_the_same),
    cmocka_unit_test(every_broken_picture_is_refused),
    cmocka_unit_test(every_truncation_is_survived),
    cmocka_unit_test(limits_hold),
    cmocka_unit_test(pixels_of_any_channels),
  };
  return cmocka_run_group_tests_name("pictures", tests, load_expected, free_expected);
}
