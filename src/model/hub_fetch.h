/* Files of one revision of a hub's repository, fetched into a folder several at a time. Private to model/. */
#ifndef MODEL_HUB_FETCH_H
#define MODEL_HUB_FETCH_H

#include "model/hub.h"
#include "util/http.h"

typedef struct hub_file {
  char *name;
  uint64_t size;   /* as the list says, until the file itself is asked */
  char digest[65]; /* "": not known */
  uint64_t done;   /* bytes that are here */
} hub_file;

typedef struct hub_job {
  const char *endpoint, *repo, *commit; /* endpoint: without a slash at its end */
  const char *authorization;            /* "Authorization: Bearer …", NULL: none */
  const char *folder;                   /* where files go: NAME.DIGEST.part until they are whole and checked, then NAME */
  const json_t *installed;              /* the record of the revision that is installed now, and its folder; NULL: none */
  const char *installed_folder;
  hub_file *files;
  size_t n;
  const hub_options *options;
  uint64_t fetched, reused;
} hub_job;

/* Fetches files[first .. n - 1]. The first failure ends all. */
int hub_fetch(hub_job *job, size_t first);

/* What a status other than 200 says, in words: OPIS_EAUTH, OPIS_ENOTFOUND, OPIS_ENETWORK. `what` is the repository or file. */
int hub_status_error(const http_response *r, const char *what, bool has_token);

#endif
