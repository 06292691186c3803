/* Fetching models from a hub that speaks as huggingface.co does:
 *   GET  ENDPOINT/api/models/REPO/revision/REV?blobs=true   {"sha": COMMIT, "siblings": [{"rfilename", "size", "blobId", "lfs": {"sha256"}}]}
 *   HEAD ENDPOINT/REPO/resolve/COMMIT/FILE                  ETag or X-Linked-Etag, Content-Length or X-Linked-Size; perhaps a redirect
 *   GET  the same, with Range for the rest of a broken download; redirected to where large files are (without the token)
 * A digest of 64 digits is the file's SHA-256, one of 40 git's for a blob: both are checked. */
#ifndef MODEL_HUB_H
#define MODEL_HUB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct hub_options {
  /* Asked before the weights are fetched: other than 0 (with a message) ends the pull, so that nobody waits for a gigabyte that is of no use. NULL: everything is taken. */
  int (*accept)(void *user, const json_t *config);
  /* Bytes of all files, those that are here already included. From any thread, one at a time; other than 0 ends the pull with OPIS_ECANCELLED, and the next one goes on from there. */
  int (*progress)(void *user, uint64_t done, uint64_t total);
  void *user;
} hub_options;

typedef struct hub_result {
  char *name;               /* "OWNER/NAME" or "OWNER/NAME@REVISION": what -m takes */
  char *path;               /* its folder */
  char *commit;             /* of the hub's repository */
  uint64_t fetched, reused; /* bytes that came over the network, and that were here (an earlier try, the Hugging Face cache) */
  bool was_there;           /* the same commit was installed already */
} hub_result;

/* repo: "OWNER/NAME" or "OWNER/NAME@REVISION" (a branch, tag or commit). The environment says the rest, as for Hugging Face's own programs: HF_ENDPOINT, HF_TOKEN (else the file
 * $HF_TOKEN_PATH, else $HF_HOME/token or ~/.cache/huggingface/token), HF_HUB_OFFLINE, and where their cache is.
 * model.safetensors is preferred to pytorch_model.bin; of the other files only what opis reads is fetched. Nothing stands under the model's name before all of it is here and checked.
 * OPIS_EINVALID, OPIS_ENOTFOUND, OPIS_EAUTH, OPIS_EUNSUPPORTED (no weights that opis reads), OPIS_EFORMAT (a digest that differs), OPIS_ENETWORK, OPIS_EIO, OPIS_EBUSY, OPIS_ECANCELLED. */
int hub_pull(hub_result *out, const char *repo, const hub_options *options);
void hub_result_free(hub_result *r);

#endif
