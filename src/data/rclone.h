/* The inside of the rclone transport: how one of DVC's addresses becomes one of rclone's, and rclone itself, which runs once for as long as the remote is open and is asked over a private
 * connection on this machine. What it must know comes to it through its environment: nothing secret is on a command line or in a file. */
#ifndef DATA_RCLONE_H
#define DATA_RCLONE_H

#include "data/remote.h"
#include "util/strbuf.h"

#include <sys/types.h>

typedef struct rclone_setup {
  strbuf env; /* "NAME=value\0…" added to its environment */
  char *fs;   /* "opis:path", or "name:path" of the user's own configuration */
  int jobs;
  bool own;   /* the user's own configuration of rclone counts */
  bool whole; /* an object appears there whole or not at all; else it goes up under another name */
} rclone_setup;

/* Which schemes: webdav, webdavs, ssh, sftp, gdrive, gs, azure, oss, hdfs, rclone. OPIS_EINVALID, OPIS_EAUTH (no credentials, and how to get them), OPIS_EUNSUPPORTED. Touches no network. */
int rclone_setup_read(rclone_setup *s, const char *url, const remote_settings *settings);
int rclone_setup_drive(rclone_setup *s, const char *url, const remote_settings *settings); /* gdrive:// */
void rclone_setup_free(rclone_setup *s);
/* Adds "RCLONE_CONFIG_OPIS_KEY=value"; value NULL adds nothing. */
void rclone_set(rclone_setup *s, const char *key, const char *value);
/* The same for a password, as rclone wants it in its configuration: made unreadable at a glance, which is no encryption. */
int rclone_set_hidden(rclone_setup *s, const char *key, const char *value);

/* A running rclone. */
typedef struct rclone_daemon {
  pid_t pid;
  int pipe; /* closed: it ends, also when this process is killed */
  int log;  /* what it says */
  char *url, *authorization;
} rclone_daemon;
int rclone_start(rclone_daemon *d, const rclone_setup *s); /* OPIS_EUNSUPPORTED when it is not installed */
void rclone_stop(rclone_daemon *d);

/* One run of rclone (or of another program, where arguments[0] is one): each line of its output goes to `line` (not 0 ends it, and is returned), what it said last to `said` (malloc'ed, may be
 * NULL). *status is its exit status. */
int rclone_run(int *status, char **said, const rclone_setup *s, const char *const *arguments, int (*line)(void *user, const char *text), void *user);

#endif
