/* Writes answers, one at a time and in order. A file given with -o is written record by record, so that a killed run loses at most the pictures in hand; a JSON array is put in place whole at the end. */
#include "cli/describe_output.h"

#include "cli/cli.h"
#include "util/error.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct describe_output {
  describe_output_options o;
  int fd;
  bool replacing; /* a JSON array into a file */
  file_replacement replacement;
  uint64_t written;
  bool closed_pipe, answered; /* answered: --resume found the single description there */
  pathset *done;
  pathset sidecars; /* those of this run */
  strbuf record;
};

/* Opens the file for records: emptied, or with --resume kept up to its last whole record. One process at a time. */
static int open_records(describe_output *out, pathset *done)
{
  bool empty = true;
  out->fd = open(out->o.file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (out->fd < 0)
    return error_set_errno("%s", out->o.file);
  if (flock(out->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return error_set(OPIS_EBUSY, "%s: another opis is writing it", out->o.file);
  int code = 0;
  if (out->o.resume)
    code = describe_resume_read(done, &empty, out->fd, out->o.file, out->o.format, out->o.single);
  else if (ftruncate(out->fd, 0) != 0 && errno != EINVAL) /* EINVAL: a pipe or device, which has nothing to cut */
    code = error_set_errno("%s", out->o.file);
  out->answered = !empty;
  out->written = !empty;
  return code;
}

int describe_output_open(describe_output **result, const describe_output_options *o, pathset *done)
{
  describe_output *out = calloc(1, sizeof *out);
  int code = 0;
  *result = NULL;
  if (!out)
    return error_nomem();
  out->o = *o;
  out->done = done;
  out->fd = -1;
  if (o->format == DESCRIBE_SIDECAR || o->format == DESCRIBE_XMP)
    ;
  else if (!o->file)
    out->fd = STDOUT_FILENO;
  else if (o->format == DESCRIBE_JSON) {
    code = file_replace_open(&out->replacement, o->file, 0666);
    out->replacing = code == 0;
    out->fd = out->replacing ? out->replacement.fd : -1;
  } else
    code = open_records(out, done);
  if (code < 0) {
    describe_output_close(out, false);
    return code;
  }
  *result = out;
  return 0;
}

static int write_record(describe_output *out)
{
  int code = strbuf_check(&out->record);
  if (code < 0)
    return code;
  code = file_write_all(out->fd, out->record.s, out->record.n, out->o.file ? out->o.file : "standard output");
  if (code < 0 && errno == EPIPE && !out->o.file)
    out->closed_pipe = true;
  return code;
}

int describe_output_skips(describe_output *out, const char *path)
{
  if (out->o.resume && out->o.format == DESCRIBE_TEXT && out->o.single)
    return out->answered;
  if (out->o.resume && out->done && out->done->counts.n) {
    if (out->o.format != DESCRIBE_CSV)
      return pathset_take(out->done, path);
    strbuf shown = STRBUF_INIT;
    describe_shown_path(&shown, path);
    bool there = shown.s && pathset_take(out->done, shown.s);
    strbuf_free(&shown);
    return there;
  }
  if (out->o.format != DESCRIBE_SIDECAR && out->o.format != DESCRIBE_XMP)
    return 0;
  char *sidecar = describe_sidecar_path(path, out->o.format == DESCRIBE_XMP ? ".xmp" : ".txt");
  if (!sidecar)
    return error_nomem();
  int code = pathset_add(&out->sidecars, sidecar);
  if (code == 0)
    code = error_set(OPIS_EEXISTS, "%s: %s was made for another picture of this run; rename one of them", path, sidecar);
  else if (code > 0)
    code = !out->o.force && file_exists(sidecar);
  free(sidecar);
  return code;
}

static int write_sidecar(const describe_output *out, const describe_answer *a)
{
  if (!a->description)
    return 0;
  bool xmp = out->o.format == DESCRIBE_XMP;
  strbuf text = STRBUF_INIT;
  if (xmp)
    describe_answer_xmp(&text, a);
  else
    strbuf_printf(&text, "%s\n", opis_description_text(a->description));
  char *path = describe_sidecar_path(a->path, xmp ? ".xmp" : ".txt");
  int code = path ? strbuf_check(&text) : error_nomem();
  if (code == 0)
    code = file_replace(path, text.s, text.n, 0666, false);
  free(path);
  strbuf_free(&text);
  return code;
}

static void put_json(describe_output *out, const describe_answer *a)
{
  json_t *o = describe_answer_json(a, out->o.model);
  char *line = o ? json_dumps(o, JSON_REAL_PRECISION(9)) : NULL;
  json_decref(o);
  if (out->o.format == DESCRIBE_JSON)
    strbuf_puts(&out->record, out->written ? ",\n" : "[\n");
  if (line)
    strbuf_puts(&out->record, line);
  else
    out->record.failed = true;
  if (out->o.format == DESCRIBE_JSONL)
    strbuf_putc(&out->record, '\n');
  free(line);
}

int describe_output_write(describe_output *out, const describe_answer *a)
{
  strbuf_reset(&out->record);
  switch (out->o.format) {
  case DESCRIBE_SIDECAR:
  case DESCRIBE_XMP: return write_sidecar(out, a);
  case DESCRIBE_TEXT:
    if (!a->description)
      return 0;
    if (!out->o.single)
      strbuf_printf(&out->record, "%s\t", a->path);
    strbuf_printf(&out->record, "%s\n", opis_description_text(a->description));
    break;
  case DESCRIBE_CSV:
    if (!out->written)
      strbuf_puts(&out->record, DESCRIBE_CSV_HEADER);
    describe_answer_csv(&out->record, a);
    break;
  case DESCRIBE_JSON:
  case DESCRIBE_JSONL: put_json(out, a); break;
  }
  int code = write_record(out);
  if (code == 0)
    out->written++;
  return code;
}

bool describe_output_closed_pipe(const describe_output *out)
{
  return out->closed_pipe;
}

int describe_output_close(describe_output *out, bool complete)
{
  int code = 0;
  if (complete && !out->closed_pipe && out->fd >= 0) {
    strbuf_reset(&out->record);
    if (out->o.format == DESCRIBE_JSON)
      strbuf_puts(&out->record, out->written ? "\n]\n" : "[]\n");
    if (out->o.format == DESCRIBE_CSV && !out->written)
      strbuf_puts(&out->record, DESCRIBE_CSV_HEADER);
    if (out->record.n)
      code = write_record(out);
  }
  if (out->replacing) {
    if (complete && code == 0)
      code = file_replace_commit(&out->replacement, true);
    else
      file_replace_abort(&out->replacement);
  } else if (out->fd >= 0 && out->fd != STDOUT_FILENO) {
    if (complete && code == 0 && fsync(out->fd) != 0 && errno != EINVAL && errno != EROFS)
      code = error_set_errno("%s", out->o.file);
    if (close(out->fd) != 0 && code == 0)
      code = error_set_errno("%s", out->o.file);
  }
  pathset_free(&out->sidecars);
  strbuf_free(&out->record);
  free(out);
  return code;
}
