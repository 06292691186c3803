/* The hash that DVC writes into stage files with dependencies ("md5:" at the top): of the file's own content without what says nothing of the data. */
#ifndef DATA_STAGE_MD5_H
#define DATA_STAGE_MD5_H

#include "data/stage.h"

int stage_md5(char hex[MD5_HEX], const stage *s); /* of a .dvc file, from its text */
/* A .dvc file with dependencies has its own hash, which says whether somebody edited it; as with DVC 3 only that of an import does. */
int stage_is_edited(bool *edited, const stage *s);
/* Writes it into the text: into its place when there is one, else at the end, or (first) as the first line, where there must be none. Takes it out of what is no import. */
int stage_put_md5(stage *s, bool first);

#endif
