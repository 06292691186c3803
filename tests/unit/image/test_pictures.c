/* Pictures of every kind against what Pillow reads (tests/golden/pictures/expected.json). */
#include "image/image.h"

#include "../cmocka_all.h"
#include "util/error.h"
#include "util/file.h"
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static json_t *expected;

static char *path_of(const char *name)
{
  static char path[512];
  snprintf(path, sizeof path, "%s/golden/pictures/%s", getenv("OPIS_TESTS"), name);
  return path;
}

static int load_expected(void **state)
{
  (void)state;
  expected = json_load_file(path_of("expected.json"), 0, NULL);
  return expected ? 0 : -1;
}

static void hash(char hex[65], const uint8_t *bytes, size_t n)
{
  unsigned char sum[32];
  EVP_Digest(bytes, n, sum, NULL, EVP_sha256(), NULL);
  for (int i = 0; i < 32; i++)
    snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static void every_picture_is_what_pillow_reads(void **state)
{
  (void)state;
  size_t i;
  json_t *entry;
  int wrong = 0;
  json_array_foreach(json_object_get(expected, "pictures"), i, entry)
  {
    const char *file = json_string_value(json_object_get(entry, "file"));
    opis_image *image;
    if (opis_image_open_file(&image, path_of(file), NULL) < 0) {
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
  assert_int_equal(wrong, 0);
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
    assert_int_equal(image_resize(out, width, height, image->rgb, image->width, image->height, 3, (image_filter)filter), 0);
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
    cmocka_unit_test(every_resize_is_pillows),
    cmocka_unit_test(every_broken_picture_is_refused),
    cmocka_unit_test(every_truncation_is_survived),
    cmocka_unit_test(limits_hold),
    cmocka_unit_test(pixels_of_any_channels),
  };
  return cmocka_run_group_tests_name("pictures", tests, load_expected, NULL);
}
