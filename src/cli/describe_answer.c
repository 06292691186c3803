/* One answer in JSON, CSV and XMP. */
#include "cli/describe_output.h"

#include "util/crypto.h"
#include "util/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void describe_shown_path(strbuf *b, const char *path)
{
  strbuf_put_utf8(b, path, strlen(path));
}

static json_t *number(double v)
{
  return isfinite(v) ? json_real(v) : json_null();
}

static void set_path(json_t *o, const char *path)
{
  strbuf shown = STRBUF_INIT;
  if (strbuf_put_utf8(&shown, path, strlen(path)))
    json_object_set_new(o, "path", json_string(path));
  else {
    size_t n = strlen(path);
    unsigned char *base64 = malloc(n / 3 * 4 + 8);
    json_object_set_new(o, "path", json_string(shown.s));
    if (base64) {
      EVP_EncodeBlock(base64, (const unsigned char *)path, (int)n);
      json_object_set_new(o, "path_base64", json_string((const char *)base64));
    }
    free(base64);
  }
  strbuf_free(&shown);
}

static json_t *tokens_json(const opis_description *d, size_t i)
{
  size_t n;
  const int32_t *t = opis_description_candidate_tokens(d, i, &n);
  json_t *list = json_array();
  for (size_t k = 0; k < n; k++)
    json_array_append_new(list, json_integer(t[k]));
  return list;
}

json_t *describe_answer_json(const describe_answer *a, opis_model *model)
{
  json_t *o = json_object();
  if (!o)
    return NULL;
  set_path(o, a->path);
  const opis_description *d = a->description;
  if (!d) {
    strbuf message = STRBUF_INIT;
    strbuf_put_utf8(&message, a->message, strlen(a->message));
    json_object_set_new(o, "error", json_pack("{s:s, s:s}", "code", opis_error_name(a->code), "message", message.s ? message.s : ""));
    strbuf_free(&message);
    return o;
  }
  json_object_set_new(o, "description", json_string(opis_description_text(d)));
  json_object_set_new(o, "score", number(opis_description_candidate_score(d, 0)));
  json_object_set_new(o, "tokens", tokens_json(d, 0));
  json_t *candidates = json_array();
  for (size_t i = 0; i < opis_description_candidates(d); i++) {
    json_t *c = json_object();
    json_object_set_new(c, "description", json_string(opis_description_candidate_text(d, i)));
    json_object_set_new(c, "score", number(opis_description_candidate_score(d, i)));
    json_object_set_new(c, "tokens", tokens_json(d, i));
    json_array_append_new(candidates, c);
  }
  json_object_set_new(o, "candidates", candidates);
  json_object_set_new(o, "model", json_string(opis_model_name(model)));
  json_object_set_new(o, "model_sha256", json_string(opis_model_sha256(model)));
  json_object_set_new(o, "version", json_string(opis_version()));
  json_object_set_new(o, "width", json_integer(opis_description_width(d)));
  json_object_set_new(o, "height", json_integer(opis_description_height(d)));
  opis_timing t = opis_description_timing(d);
  json_t *ms = json_object();
  json_object_set_new(ms, "decode", number(round(a->decode_ms * 1000) / 1000));
  json_object_set_new(ms, "encode", number(round(t.encode * 1000) / 1000));
  json_object_set_new(ms, "generate", number(round(t.generate * 1000) / 1000));
  json_object_set_new(o, "ms", ms);
  return o;
}

/* RFC 4180: quoted where a comma, quote or line break is inside. */
static void csv_field(strbuf *b, const char *s)
{
  if (!strpbrk(s, ",\"\r\n")) {
    strbuf_puts(b, s);
    return;
  }
  strbuf_putc(b, '"');
  for (; *s; s++) {
    if (*s == '"')
      strbuf_putc(b, '"');
    strbuf_putc(b, *s);
  }
  strbuf_putc(b, '"');
}

void describe_answer_csv(strbuf *b, const describe_answer *a)
{
  strbuf path = STRBUF_INIT;
  describe_shown_path(&path, a->path);
  csv_field(b, path.s ? path.s : "");
  strbuf_free(&path);
  strbuf_putc(b, ',');
  if (a->description) {
    csv_field(b, opis_description_text(a->description));
    strbuf_printf(b, ",%.9g,", opis_description_candidate_score(a->description, 0));
  } else {
    strbuf error = STRBUF_INIT;
    strbuf_printf(&error, "%s: ", opis_error_name(a->code));
    strbuf_put_utf8(&error, a->message, strlen(a->message));
    strbuf_puts(b, ",,");
    csv_field(b, error.s ? error.s : "");
    strbuf_free(&error);
  }
  strbuf_puts(b, "\r\n");
}

static void xml_text(strbuf *b, const char *s)
{
  for (; *s; s++)
    switch (*s) {
    case '&': strbuf_puts(b, "&amp;"); break;
    case '<': strbuf_puts(b, "&lt;"); break;
    case '>': strbuf_puts(b, "&gt;"); break;
    default:
      if ((unsigned char)*s >= 0x20 || *s == '\t' || *s == '\n')
        strbuf_putc(b, *s);
    }
}

/* XMP (ISO 16684-1): dc:description and, for assistive technology, the IPTC Photo Metadata Standard's Alt Text (Accessibility). */
void describe_answer_xmp(strbuf *b, const describe_answer *a)
{
  const char *text = opis_description_text(a->description);
  strbuf_puts(b,
    "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
    "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n"
    " <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n"
    "  <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:Iptc4xmpCore=\"http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/\">\n");
  static const char *const elements[] = {"dc:description", "Iptc4xmpCore:AltTextAccessibility"};
  for (size_t i = 0; i < 2; i++) {
    strbuf_printf(b, "   <%s><rdf:Alt><rdf:li xml:lang=\"x-default\">", elements[i]);
    xml_text(b, text);
    strbuf_printf(b, "</rdf:li></rdf:Alt></%s>\n", elements[i]);
  }
  strbuf_puts(b, "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>\n");
}

char *describe_sidecar_path(const char *path, const char *extension)
{
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
  size_t stem = dot && dot != name ? (size_t)(dot - path) : strlen(path);
  char *out;
  return asprintf(&out, "%.*s%s", (int)stem, path, extension) < 0 ? NULL : out;
}
