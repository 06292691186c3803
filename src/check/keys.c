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
  [KEY_UNREADABLE_CAPTION] = {"unreadable_caption", "Lines without a caption", "a place in the caption file that has no picture or no caption where there should be one", true,
    NONE},
  [KEY_EMPTY_CAPTION] = {"empty_caption", "Empty captions", "no letter and no digit in it", true, NONE},
  [KEY_INVALID_UTF8] = {"invalid_utf8", "Captions not in UTF-8", "bytes that are no UTF-8, at which most programs stop", true, NONE},
  [KEY_CONTROL_CHARACTERS] = {"control_characters", "Control characters", "characters that are not seen: control codes, line breaks, changes of direction", false, NONE},
  [KEY_MOJIBAKE] = {"mojibake", "Garbled letters", "UTF-8 that was taken for another encoding on its way, or letters lost", false, NONE},
  [KEY_MIXED_SCRIPTS] = {"mixed_scripts", "Mixed scripts",
    "letters of several scripts, such as a Cyrillic one that looks like a Latin one, or of another script than nearly all captions", false, NONE},
  [KEY_CAPTION_LENGTH] = {"caption_length", "Unusual length", "far more or far fewer words than the others (threshold: times the interquartile range)", false, 3, 0, 100},
  [KEY_WORD_REPETITION] = {"word_repetition", "Repeated words", "the same words again and again, one after the other (threshold: how many times)", false, 2, 2, 100},
  [KEY_SAME_BEGINNING] = {"same_beginning", "The same beginning", "captions that begin with the same four words (threshold: what share of all)", false, 0.25, 0, 1},
  [KEY_REPEATED_CAPTION] = {"repeated_caption", "Captions of several pictures", "the same words for other pictures, too (threshold: of how many pictures)", false, 2, 2, 1000000},
  [KEY_CAPTION_TWICE] = {"caption_twice", "Captions said twice", "the same words twice for one picture", false, NONE},
  [KEY_FEW_CAPTIONS] = {"few_captions", "Fewer captions than usual", "fewer captions than most pictures have", false, NONE},
  [KEY_MISSING_CAPTION] = {"missing_caption", "Pictures without a caption", "no caption for this picture", true, NONE},
  [KEY_ORPHAN_CAPTION] = {"orphan_caption", "Captions without a picture", "captions of a picture that is not in the folder", true, NONE},
  [KEY_MISSING_PICTURE] = {"missing_picture", "Missing pictures", "named, but not in the folder", true, NONE},
  [KEY_LEAK_NAME] = {"leak_name", "One picture in two splits", "the same picture is named in two splits", true, NONE},
  [KEY_LEAK_CONTENT] = {"leak_content", "The same pixels in two splits", "exact duplicates in different splits", true, NONE},
  [KEY_LEAK_NEAR] = {"leak_near", "Near duplicates in two splits", "near duplicates in different splits", true, NONE},
  [KEY_LEAK_SIMILAR] = {"leak_similar", "Similar pictures in two splits", "similar pictures in different splits", false, NONE},
  [KEY_LEAK_CAPTION] = {"leak_caption", "The same caption in two splits", "the same words for pictures in different splits", false, NONE},
  [KEY_LISTED_TWICE] = {"listed_twice", "Named twice in a split", "a split names the same picture twice", false, NONE},
  [KEY_NO_SPLIT] = {"no_split", "Pictures in no split", "no split names this picture", false, NONE},
  [KEY_DRIFT] = {"drift", "Drift", "the set is of another kind than before (threshold: the population stability index)", false, 0.2, 0, 100},
};

int check_key_find(const char *name)
{
  for (int i = 0; i < CHECK_KEYS; i++)
    if (strcmp(check_keys[i].name, name) == 0)
      return i;
  return -1;
}
