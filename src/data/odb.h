/* The store of objects on this machine: DVC's cache. An object is a file named by its content's md5, in 256 folders. Present objects of mode 0444 are trusted; others are hashed again, as
 * DVC does, and thrown away when they are not what their name says. */
#ifndef DATA_ODB_H
#define DATA_ODB_H

#include "data/md5.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An object's name: 32 hexadecimal digits, and ".dir" for a directory object. */
typedef struct oid {
  uint8_t md5[MD5_SIZE];
  bool dir;
} oid;
enum { OID_TEXT = 37, OID_KEY = 64 };
#define ODB_TEMPORARY ".opis"             /* below the store; no object's folder has such a name, and DVC passes over it */
#define ODB_NOTE ".settle-"               /* in it: names of notes (settle.h) */
bool oid_parse(oid *o, const char *text); /* false when it is no object's name */
void oid_text(char text[OID_TEXT], const oid *o);
bool oid_same(const oid *a, const oid *b);
int oid_compare(const void *a, const void *b); /* for qsort and bsearch; files before directories */

typedef enum link_type { LINK_REFLINK, LINK_HARD, LINK_SYMBOLIC, LINK_COPY } link_type;

typedef struct odb {
  char *path;     /* absolute: …/cache/files/md5, or …/cache for objects of DVC 2 */
  _Atomic int fd; /* -1 while the folder is not there (an empty store): the first object makes it, while others may be looked for */
  bool legacy;    /* names are "md5-dos2unix" hashes */
  bool shared;    /* cache.shared = group */
  link_type types[4];
  int n_types;
  atomic_uint next;     /* numbers temporary files */
  atomic_bool named;    /* they need names: the file system has no files without */
  char tag[17];         /* of this process's ones (temporary.h) */
  bool prepared;        /* the folders of the store are there, and swept */
  pthread_mutex_t lock; /* while they are made */
  atomic_bool noted;    /* what is stored may not be on the disk yet, and a note says so (settle.h) */
  atomic_ullong stored; /* bytes since then */
} odb;

/* The folder need not exist. types: "reflink,copy" or NULL for that. OPIS_EINVALID for an unknown type. */
int odb_open(odb *db, const char *path, bool legacy, const char *types, bool shared);
void odb_close(odb *db);

/* "ab/cdef…" */
void odb_key(char key[OID_KEY], const oid *o);

/* Present and trusted, or present and found right: 0. OPIS_ENOTFOUND: not there (a damaged one is taken away first). size may be NULL. */
int odb_check(odb *db, const oid *o, uint64_t *size);
bool odb_has(odb *db, const oid *o);
/* Hashes an object that is there, whatever its mode says. OPIS_ENOTFOUND: it was not what its name says, and was taken away. */
int odb_rehash(odb *db, const oid *o);
/* Opens an object for reading; OPIS_ENOTFOUND. */
int odb_read_fd(int *fd, odb *db, const oid *o);

/* A new file inside the store; odb_keep gives it its object's name, also where that object was there already, odb_drop takes it away. It has no name until then, or a temporary one where the file
 * system knows no such files, or where it is asked for: what a killed process leaves of those is swept by the next one. */
typedef struct odb_temporary {
  int fd;
  char name[80]; /* "": none */
} odb_temporary;
int odb_new(odb_temporary *t, odb *db, const oid *o /* what it will be, for its place on the disk; NULL: not known yet */);
int odb_new_named(odb_temporary *t, odb *db);
int odb_keep(odb_temporary *t, odb *db, const oid *o);
void odb_drop(odb_temporary *t, odb *db);
/* The open file itself becomes the object, by a link; *done is false where that does not work. */
int odb_link(odb *db, const oid *o, int fd, bool *done);
int odb_write(odb *db, const oid *o, const void *bytes, size_t n); /* a whole object from memory */

/* Call before a file that names the objects appears: what was stored is on the disk, or noted as not yet there (settle.h). */
int odb_sync(odb *db);
/* Takes the folder of temporary files away, if there is nothing in it. */
void odb_tidy(odb *db);

/* Every object, in no order. */
int odb_list(odb *db, int (*each)(void *user, const oid *o, uint64_t size), void *user);
int odb_remove(odb *db, const oid *o);

/* Makes an empty file a clone of another one, where the file system can; nothing is done when it is false. */
bool clone_file(int to, int from);
/* Copies bytes from one open file to another, by reflink where reflink is true and the file system can, else by the kernel. */
int copy_file(int to, int from, bool reflink, const char *what, const watch *w);
/* Copies and hashes what is copied, at once (copy.c). */
int copy_hashed(uint8_t digest[MD5_SIZE], int to, int from, const char *what, const watch *w);

#endif
