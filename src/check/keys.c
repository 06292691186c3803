/* Everything that can be found. docs/check.md has the same list; a test compares them. */
#include "check/check.h"

#include <math.h>
#include <string.h>

#define NONE NAN, 0, 0

const check_key check_keys[CHECK_KEYS] = {
  [KEY_DARK] = {"dark", "Dark pictures", "hardly anything in it is bright", false, 0.32, 0, 1},
  [KEY_LIGHT] = {"light", "Light pictures", "hardly anything in it is dark", false, 0.05, 0, 1},
  [KEY_ODD_ASPECT_RATIO] = {"odd_aspect_ratio", "Odd aspect ratio", "much wider than high, or the other way round", false, 0.35, 0, 1},
  [KEY_LOW_INFORMATION] = {"low_information", "Low information", "few different values: a plain surface, a placeholder", false, 0.3, 0, 1},
  [KEY_BLURRY] = {"blurry", "Blurry pictures", "no sharp edges", false, 0.29, 0, 1},
  [KEY_GRAYSCALE] = {"grayscale", "Grey pictures", "stored with one grey channel", false, NONE},
  [KEY_ODD_SIZE] = {"odd_size", "Unusual size", "its size is far from that of the others (threshold: times the interquartile range)", false, 3, 0, 100},
  [KEY_EXACT_DUPLICATES] = {"exact_duplicates", "Exact duplicates", "the same pixels as another picture", false, NONE},
  [KEY_NEAR_DUPLICATES] = {"near_duplicates", "Near duplicates", "the same perceptual hash as another picture (threshold: how many of 64 bits may differ)", false, 0, 0, 16},
  [KEY_SIMILAR] = {"similar", "Similar pictures", "a perceptual hash near that of another picture (threshold: how many of 64 bits may differ)", false, 10, 0, 16},
  [KEY_UNREADABLE] = {"unreadable", "Unreadable pictures", "cannot be decoded", true, NONE},
  [KEY_TRUNCATED] = {"truncated", "Truncated pictures", "the file ends before the picture does", true, NONE},
  [KEY_WRONG_EXTENSION] = {"wrong_extension", "Extension that lies", "the content is of another kind than the name says", true, NONE},
  [KEY_WRONG_FORMAT] = {"wrong_format", "Not the required format", "name or content is not what --require asks for", true, NONE},
  [KEY_NOT_UPRIGHT] = {"not_upright", "Not upright", "stored turned or mirrored, with an EXIF orientation that not every program looks at", false, NONE},
  [KEY_CMYK] = {"cmyk", "CMYK pictures", "colours for printing, which programs convert differently", false, NONE},
  [KEY_SIXTEEN_BIT] = {"sixteen_bit", "More than 8 bits", "more than 8 bits a channel, which many programs cut or misread", false, NONE},
  [KEY_GREY_COLOUR] = {"grey_colour", "Grey in colour", "stored in colour although every pixel is grey", false, NONE},
  [KEY_ANIMATED] = {"animated", "Several frames", "an animation, or several pages, of which only the first is looked at", false, NONE},
  [KEY_TOO_SMALL] = {"too_small", "Too small", "its shorter side has few pixels (threshold: how many are enough)", false, 32, 0, 100000},
  [KEY_ALPHA] = {"alpha", "Transparency", "has an alpha channel or a transparent colour; what stands behind it is up to the program", false, NONE},
  [KEY_CASE_CLASH] = {"case_clash", "Names that differ in case", "two names that are one on Windows and macOS", false, NONE},
  [KEY_RESERVED_NAME] = {"reserved_name", "Names that break elsewhere", "a name that Windows cannot have", false, NONE},
  [KEY_NOT_NFC] = {"not_nfc", "Names not in NFC", "a name not in Unicode's composed form, or not UTF-8 at all", false, NONE},
  [KEY_EMPTY_FOLDER] = {"empty_folder", "Empty folders", "no picture in the set, or a folder with nothing in it", true, NONE},
};

int check_key_find(const char *name)
{
  for (int i = 0; i < CHECK_KEYS; i++)
    if (strcmp(check_keys[i].name, name) == 0)
      return i;
  return -1;
}
