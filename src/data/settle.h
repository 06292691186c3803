/* Objects that the disk may not have yet. Waiting for the disk after every command would cost more than all the rest of it, and a killed process loses nothing that it wrote: only a machine that
 * stops does. So a command that stores much notes, durably and before its first object, that objects newer than the note may be torn; the first command after a restart of the machine hashes those and
 * takes away what is not what its name says. Commands that store little wait for the disk and leave no note. Nothing that is the last other copy of data is taken away before the disk has the objects:
 * settle_now comes first. */
#ifndef DATA_SETTLE_H
#define DATA_SETTLE_H

#include "data/odb.h"

#include "util/pool.h"

/* The note of this process; before the first object. db->fd is open, and the folder of temporary files there. */
int settle_note(odb *db);
/* At the end of a command: waits for the disk when little was stored, and takes the note away; else leaves it. */
int settle_later(odb *db);
/* Before other copies of what was stored go: waits for the disk when there is any note at all. */
int settle_now(odb *db);
/* When a repository is opened: after a restart of the machine, what may be torn is hashed. *damaged counts what was taken away. */
int settle_recover(odb *db, pool *p, size_t *damaged);

#endif
