/* A program outside the tree, as somebody who installed opis would write it: compiled as C and as C++ by the tests of the installed library. */
#include <opis/opis.h>
#include <stdio.h>

int main(int argc, char **argv)
{
  opis_model *model = NULL;
  opis_description *d = NULL;
  opis_options o = OPIS_OPTIONS_INIT;
  int status = 1;
  if (argc == 2 && opis_model_open(&model, NULL, NULL) == 0 && opis_describe_file(&d, model, argv[1], &o) == 0)
    status = puts(opis_description_text(d)) < 0;
  else
    fprintf(stderr, "%s\n", opis_error_message());
  opis_description_free(d);
  opis_model_free(model);
  return status;
}
