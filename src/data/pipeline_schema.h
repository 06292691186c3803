/* What may stand where in dvc.yaml, before anything in it is resolved. */
#ifndef DATA_PIPELINE_SCHEMA_H
#define DATA_PIPELINE_SCHEMA_H

#include "data/value.h"

/* OPIS_EFORMAT for a type that DVC refuses, too. Keys that are not known are left to newer versions of DVC. what: the file, for errors. */
int pipeline_check_schema(const value *root, const char *what);

#endif
