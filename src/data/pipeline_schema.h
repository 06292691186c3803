/* What may stand where in dvc.yaml, before anything in it is resolved, and in dvc.lock. */
#ifndef DATA_PIPELINE_SCHEMA_H
#define DATA_PIPELINE_SCHEMA_H

#include "data/value.h"

/* OPIS_EFORMAT for a type that DVC refuses, too. Keys that are not known are left to newer versions of DVC. what: the file, for errors. */
int pipeline_check_schema(const value *root, const char *what);
/* The same of dvc.lock. A lock that is not understood is an error for gc above all, which would take for unneeded what it names. */
int pipeline_check_lock(const yaml_node *root, const char *what);

#endif
