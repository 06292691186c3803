/* Remotes: where objects are kept beside this machine. One transport a kind of URL (a folder here, S3, HTTP, rclone); everything above it, parallelism, verification, what to send and in
 * which order, is the same for all of them and lives in transfer.c.
 *
 * Keys are paths below the remote's URL, with '/', such as "files/md5/ab/cdef…" or, for objects of DVC 2, "ab/cdef…". A transport joins them to its URL and knows nothing else of them.
 *
 * Adding a transport: write remote_NAME.c with a function of the type remote_open_fn, and a line in the table of remote.c that names the schemes it takes. */
#ifndef DATA_REMOTE_H
#define DATA_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct remote remote;

/* What a caller may want to know during a long request, and how it stops one. Both may be NULL; both are called from the thread that made the request, or from threads that it started. */
typedef struct remote_io {
  void (*moved)(void *user, uint64_t bytes); /* so many more bytes have gone over (may be taken back by none: count what is sent for good) */
  int (*cancelled)(void *user);              /* not 0: give up soon, with OPIS_ECANCELLED */
  void *user;
} remote_io;

/* One object of a bulk request. */
typedef struct remote_item {
  const char *key;
  int result; /* set by the transport: 0 or an OPIS_E… */
} remote_item;

/* Called for every object found; not 0 stops the listing, which then returns that number. size is UINT64_MAX where the listing does not tell it. */
typedef int remote_list_fn(void *user, const char *key, uint64_t size);

/* What a transport can do. All functions return 0 or OPIS_E… with the thread's error message set ("WHAT: WHY", without secrets), and may be called from `jobs` threads at once on the
 * same remote unless said otherwise. Retries with backoff for what may pass (5xx, time-outs, broken connections) are the transport's own business: an error that comes out is final. */
typedef struct remote_ops {
  const char *kind;              /* "folder", "s3", "http", "rclone" */
  bool read_only;                /* put and remove are refused before they are called */
  bool near;                     /* asking for one object costs microseconds: each is asked for, none assumed from its .dir object */
  int jobs;                      /* how many requests at once are sensible; 0: 4 a processor, as DVC does. remote.NAME.jobs and -j override */
  bool (*disk)(const remote *r); /* whether it is on a disk of this machine: as many requests at once as processors, since more wait for each other's locks of folders. NULL: no */
  void (*close)(remote *r);      /* frees r */

  /* Whether an object is there. An object that is not there is no error: *there = false. size may be NULL; UINT64_MAX when not told. */
  int (*exists)(remote *r, const char *key, bool *there, uint64_t *size);

  /* Every object whose key begins with prefix (a whole folder "files/md5/", or part of a name: "files/md5/00"), in any order. A prefix that is not there gives none, and 0. May be NULL where
   * there is no listing (HTTP): then each object is asked for. Never called twice at once. */
  int (*list)(remote *r, const char *prefix, remote_list_fn *each, void *user);

  /* Writes an object's bytes to fd, a new empty file open for reading and writing. The caller hashes what arrived and throws it away when it is not what the key says: the transport need not
   * verify. OPIS_ENOTFOUND when it is not there, OPIS_EAUTH, OPIS_ENETWORK, OPIS_ETIMEOUT, OPIS_EIO. A transport that can resume may ask fd for its size and offset. */
  int (*get)(remote *r, const char *key, int fd, const remote_io *io);

  /* The object as a file open for reading, where it is one (a folder): then it need not go through `get`. OPIS_ENOTFOUND. NULL where objects are no files. */
  int (*open)(remote *r, const char *key, int *fd);

  /* Sends the file open at fd, size bytes from its beginning. Afterwards the whole object is there or (on any error, also a kill) nothing that `exists` would call there: temporary names or
   * the service's own atomic uploads. Never writes over an object that is there already with other bytes than these (objects are named by content). */
  int (*put)(remote *r, const char *key, int fd, uint64_t size, const remote_io *io);

  /* Takes an object away; one that is not there is no error. */
  int (*remove)(remote *r, const char *key);

  /* The same for many at once, where that is quicker; NULL: one at a time from many threads. Returns 0 when the request as such was done; what became of each item is in its result. Never called
   * twice at once. */
  int (*remove_many)(remote *r, remote_item *items, size_t n);
} remote_ops;

/* Every transport's own struct begins with this. */
struct remote {
  const remote_ops *ops;
  char *name; /* the remote's name in the config; "" for a bare URL. Owned by remote_open and remote_close */
  char *url;  /* as configured but for a password in it, the path of a folder made absolute. The same */
};

/* The remote's settings: the keys of its section in the merged config (all levels), such as "url", "endpointurl", "access_key_id", "password". Values are NUL-terminated and live as long as
 * the settings; NULL: not set. Keys that hold paths (credentialpath, gdrive_service_account_json_file_path, …) come out absolute, relative ones resolved against the folder of the config
 * file that has them, as DVC does. */
typedef struct remote_settings {
  const char *(*get)(const void *user, const char *key);
  const void *user;
} remote_settings;
const char *remote_setting(const remote_settings *s, const char *key);               /* NULL when s is NULL, too */
bool remote_setting_bool(const remote_settings *s, const char *key, bool otherwise); /* "true", "1", "yes", "on" in any case */

/* A transport's constructor: *out is its own struct, with ops set (name and url are set by the caller afterwards, from its arguments). Must not touch the network: errors of reaching the
 * other side come from the first request. */
typedef int remote_open_fn(remote **out, const char *url, const remote_settings *settings);

/* Opens a remote by URL. OPIS_EUNSUPPORTED for a scheme that nobody takes, by name. Close with remote_close (NULL is allowed). */
int remote_open(remote **out, const char *name, const char *url, const remote_settings *settings);
void remote_close(remote *r);

/* The transports. */
remote_open_fn remote_folder_open; /* a path, file:// */
remote_open_fn remote_http_open;   /* http://, https:// */
remote_open_fn remote_s3_open;     /* s3://BUCKET/PATH */
remote_open_fn remote_rclone_open; /* webdav://, ssh://, gdrive:// and others, see rclone.h */

#endif
