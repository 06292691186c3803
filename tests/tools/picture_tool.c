/* Pictures as the image room sees them. A line of standard input is "WIDTH HEIGHT FILTER PATH" (a size of 0: as decoded; FILTER: Pillow's number); the answer is a line "WIDTH HEIGHT FORMAT"
 * and the RGB bytes, or a line "0 0 MESSAGE". */
#include "image/image.h"

#include "util/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(int width, int height, int filter, const char *path)
{
  opis_image *image;
  if (opis_image_open_file(&image, path, NULL) < 0) {
    printf("0 0 %s\n", opis_error_message());
    return;
  }
  const uint8_t *pixels = image->rgb;
  uint8_t *resized = NULL;
  if (width && height) {
    resized = malloc((size_t)width * (size_t)height * 3);
    if (!resized || image_resize(NULL, resized, width, height, pixels, image->width, image->height, 3, (image_filter)filter) < 0) {
      printf("0 0 %s\n", opis_error_message());
      free(resized);
      opis_image_free(image);
      return;
    }
    pixels = resized;
  } else {
    width = image->width;
    height = image->height;
  }
  printf("%d %d %s\n", width, height, image->format);
  fwrite(pixels, 3, (size_t)width * (size_t)height, stdout);
  free(resized);
  opis_image_free(image);
}

int main(void)
{
  char line[4096];
  while (fgets(line, sizeof line, stdin)) {
    int width, height, filter, at = 0;
    line[strcspn(line, "\n")] = '\0';
    if (sscanf(line, "%d %d %d %n", &width, &height, &filter, &at) < 3 || at == 0)
      return 2;
    answer(width, height, filter, line + at);
    fflush(stdout);
  }
  return 0;
}
