/* What stages are put together from: for the readers of .dvc files (stage.c) and of dvc.yaml (pipeline.c). */
#ifndef DATA_STAGE_PARTS_H
#define DATA_STAGE_PARTS_H

#include "data/stage.h"

stage *stage_begin(const char *rel, const char *name);           /* name: of a stage in dvc.yaml, or NULL. NULL: no memory */
int stage_set_wdir(stage *s, const char *wdir);                  /* NULL and "." leave it */
output *stage_add_entry(stage *s, bool dep);                     /* an output or a dependency with nothing in it; NULL: no memory */
int output_place(output *o, const char *written);                /* its path; one that is absolute, a URL, or leads out has no place in the repository */
int stage_read_entry(stage *s, const yaml_node *node, bool dep); /* adds an entry of "outs" or "deps", of a .dvc file or of dvc.lock */

#endif
