#include "data/s3_xml.h"

#include "util/error.h"
#include "util/strbuf.h"

#include <dlfcn.h>
#include <expat.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 8, LONGEST_NAME = 64, LONGEST_TEXT = 65536, LONGEST = 1 << 30 };

#define EXPAT_FUNCTIONS(X) X(ParserCreate) X(ParserFree) X(SetUserData) X(SetElementHandler) X(SetCharacterDataHandler) X(SetStartDoctypeDeclHandler) X(Parse) X(StopParser)
static struct {
#define MEMBER(name) __typeof__(XML_##name) *name;
  EXPAT_FUNCTIONS(MEMBER)
#undef MEMBER
  bool there;
} lib; /* written once, under pthread_once */

static void open_library(void)
{
  void *library = dlopen("libexpat.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return;
  lib.there = true;
#define FIND(name) lib.there &= (lib.name = (__typeof__(lib.name))dlsym(library, "XML_" #name)) != NULL;
  EXPAT_FUNCTIONS(FIND)
#undef FIND
}

typedef struct parsing {
  XML_Parser parser;
  s3_xml_fn *each;
  void *user;
  int depth;
  char names[DEEPEST + 1][LONGEST_NAME]; /* [0] is "" */
  bool inner[DEEPEST + 1];               /* has elements inside */
  strbuf text;
  int code;
  const char *why;
} parsing;

static void stop(parsing *p, int code, const char *why)
{
  if (p->code == 0) {
    p->code = code;
    p->why = why;
  }
  lib.StopParser(p->parser, XML_FALSE);
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
  parsing *p = user;
  const char *colon = strrchr(name, ':');
  (void)attributes;
  if (colon)
    name = colon + 1;
  if (p->code)
    return;
  if (p->depth == DEEPEST || strlen(name) >= LONGEST_NAME) {
    stop(p, OPIS_EFORMAT, "elements nested too deep, or a name too long");
    return;
  }
  p->inner[p->depth++] = true;
  p->inner[p->depth] = false;
  strcpy(p->names[p->depth], name);
  strbuf_reset(&p->text);
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
  parsing *p = user;
  (void)name;
  if (p->code)
    return;
  strbuf_append(&p->text, "", 0);
  const char *text = p->inner[p->depth] ? NULL : p->text.n ? p->text.s : "";
  int code = p->text.failed ? error_nomem() : p->each(p->user, p->names[p->depth - 1], p->names[p->depth], text);
  if (code != 0)
    stop(p, code, NULL);
  p->depth--;
  strbuf_reset(&p->text);
}

static void XMLCALL on_text(void *user, const XML_Char *s, int n)
{
  parsing *p = user;
  if (p->code)
    return;
  if (p->text.n + (size_t)n > LONGEST_TEXT)
    stop(p, OPIS_EFORMAT, "a text too long");
  else
    strbuf_append(&p->text, s, (size_t)n);
}

static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
  (void)name;
  (void)system;
  (void)public;
  (void)internal;
  stop(user, OPIS_EFORMAT, "a DOCTYPE");
}

int s3_xml(const char *bytes, size_t n, s3_xml_fn *each, void *user, const char *what)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  parsing p = {.each = each, .user = user, .text = STRBUF_INIT};
  pthread_once(&once, open_library);
  if (!lib.there)
    return error_set(OPIS_EUNSUPPORTED, "%s: libexpat is not installed (on Debian: apt-get install libexpat1)", what);
  if (n > LONGEST)
    return error_set(OPIS_ELIMIT, "%s: an answer too long", what);
  p.parser = lib.ParserCreate(NULL);
  if (!p.parser)
    return error_nomem();
  lib.SetUserData(p.parser, &p);
  lib.SetElementHandler(p.parser, on_start, on_end);
  lib.SetCharacterDataHandler(p.parser, on_text);
  lib.SetStartDoctypeDeclHandler(p.parser, on_doctype);
  if (lib.Parse(p.parser, n ? bytes : "", (int)n, XML_TRUE) != XML_STATUS_OK && p.code == 0) {
    p.code = OPIS_EFORMAT;
    p.why = "no XML, or cut off";
  }
  lib.ParserFree(p.parser);
  strbuf_free(&p.text);
  return p.why ? error_set(p.code, "%s: an answer that is not S3's: %s", what, p.why) : p.code;
}
