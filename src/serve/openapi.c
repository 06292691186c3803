/* The server's description of itself. */
#include "serve/openapi.h"
#include "serve/params.h"
#include "serve/routes.h"

#include <stdlib.h>
#include <string.h>

/* Bodies that are answered and taken. */
static const char schemas[] =
  "{\"Error\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\",\"required\":[\"code\",\"message\"],\"properties\":{"
  "\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}}}}},"
  "\"ChatError\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\",\"required\":[\"code\",\"message\",\"type\",\"param\"],"
  "\"properties\":{"
  "\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"param\":{\"type\":[\"string\",\"null\"]}}}}},"
  "\"Candidate\":{\"type\":\"object\",\"required\":[\"description\",\"score\",\"tokens\"],\"properties\":{\"description\":{\"type\":\"string\"},\"score\":{\"type\":\"number\"},"
  "\"tokens\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}}},"
  "\"Attention\":{\"type\":\"object\",\"description\":\"For each token of the best row, weights over the picture's grid, row by row; null where there are none\","
  "\"required\":[\"width\",\"height\",\"tokens\"],\"properties\":{\"width\":{\"type\":\"integer\"},\"height\":{\"type\":\"integer\"},\"tokens\":{\"type\":\"array\",\"items\":{"
  "\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"},\"weights\":{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"number\"}}}}}}},"
  "\"Description\":{\"type\":\"object\",\"required\":[\"path\",\"description\",\"score\",\"tokens\",\"candidates\",\"model\",\"width\",\"height\",\"ms\"],\"properties\":{"
  "\"path\":{\"type\":[\"string\",\"null\"],\"description\":\"The file name that was sent\"},\"description\":{\"type\":\"string\"},\"score\":{\"type\":\"number\"},"
  "\"tokens\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},\"candidates\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Candidate\"}},"
  "\"model\":{\"type\":\"string\"},\"model_sha256\":{\"type\":\"string\"},\"version\":{\"type\":\"string\"},\"width\":{\"type\":\"integer\"},\"height\":{\"type\":\"integer\"},"
  "\"ms\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"number\"}},\"attention\":{\"$ref\":\"#/components/schemas/Attention\"}}},"
  "\"Failure\":{\"type\":\"object\",\"required\":[\"path\",\"error\"],\"properties\":{\"path\":{\"type\":[\"string\",\"null\"]},\"error\":{\"type\":\"object\"}}},"
  "\"Answer\":{\"anyOf\":[{\"$ref\":\"#/components/schemas/"
  "Description\"},{\"type\":\"object\",\"required\":[\"results\"],\"properties\":{\"results\":{\"type\":\"array\",\"items\":{"
  "\"anyOf\":[{\"$ref\":\"#/components/schemas/Description\"},{\"$ref\":\"#/components/schemas/Failure\"}]}}}}]},"
  "\"Model\":{\"type\":\"object\",\"required\":[\"id\",\"object\",\"created\",\"owned_by\"],\"properties\":{\"id\":{\"type\":\"string\"},\"object\":{\"const\":\"model\"},"
  "\"created\":{\"type\":\"integer\"},\"owned_by\":{\"type\":\"string\"},\"family\":{\"type\":\"string\"},\"parameters\":{\"type\":\"integer\"},\"precision\":{\"type\":\"string\"}"
  ","
  "\"takes_prompt\":{\"type\":\"boolean\"},\"sha256\":{\"type\":\"string\"}}},"
  "\"Models\":{\"type\":\"object\",\"required\":[\"object\",\"data\"],\"properties\":{\"object\":{\"const\":\"list\"},\"data\":{\"type\":\"array\",\"items\":{"
  "\"$ref\":\"#/components/schemas/Model\"}}}},"
  "\"History\":{\"type\":\"object\",\"required\":[\"entries\",\"next\"],\"properties\":{\"entries\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"id\","
  "\"time\","
  "\"description\"],\"properties\":{\"id\":{\"type\":\"integer\"},\"time\":{\"type\":\"integer\"},\"path\":{\"type\":[\"string\",\"null\"]},\"description\":{\"type\":\"string\"}}}"
  "},"
  "\"next\":{\"type\":[\"integer\",\"null\"]}}},"
  "\"Info\":{\"type\":\"object\",\"required\":[\"version\",\"ready\",\"history\",\"keys\",\"max_upload\",\"queue\"],\"properties\":{\"version\":{\"type\":\"string\"},"
  "\"ready\":{\"type\":\"boolean\"},\"history\":{\"type\":\"boolean\"},\"keys\":{\"type\":\"boolean\"},\"max_upload\":{\"type\":\"integer\"},\"queue\":{\"type\":\"integer\"}}},"
  "\"Status\":{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{\"status\":{\"type\":\"string\"}}},"
  "\"Document\":{\"type\":\"object\",\"required\":[\"openapi\"]},"
  "\"ChatCompletion\":{\"type\":\"object\",\"required\":[\"id\",\"object\",\"created\",\"model\",\"choices\",\"usage\"],\"properties\":{\"id\":{\"type\":\"string\"},"
  "\"object\":{\"const\":\"chat.completion\"},\"created\":{\"type\":\"integer\"},\"model\":{\"type\":\"string\"},\"choices\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
  "\"usage\":{\"type\":\"object\"}}},"
  "\"ChatRequest\":{\"type\":\"object\",\"required\":[\"messages\"],\"properties\":{\"model\":{\"type\":\"string\",\"maxLength\":256},\"messages\":{\"type\":\"array\","
  "\"minItems\":1,\"items\":{"
  "\"type\":\"object\",\"required\":[\"role\",\"content\"],\"properties\":{\"role\":{\"type\":\"string\"},\"content\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\","
  "\"items\":{"
  "\"anyOf\":[{\"type\":\"object\",\"required\":[\"type\",\"text\"],\"properties\":{\"type\":{\"const\":\"text\"},\"text\":{\"type\":\"string\"}}},{\"type\":\"object\","
  "\"required\":["
  "\"type\",\"image_url\"],\"properties\":{\"type\":{\"const\":\"image_url\"},\"image_url\":{\"type\":\"object\",\"required\":[\"url\"],\"properties\":{\"url\":{\"type\":"
  "\"string\","
  "\"description\":\"data:image/…;base64,… or, with --allow-fetch, http(s)\"}}}}}]}}]}}}},"
  "\"stream\":{\"type\":[\"boolean\",\"null\"]},\"n\":{\"type\":[\"integer\",\"null\"],\"minimum\":1,\"maximum\":64},\"max_tokens\":{\"type\":[\"integer\",\"null\"],\"minimum\":1}"
  ","
  "\"max_completion_tokens\":{\"type\":[\"integer\",\"null\"],\"minimum\":1},\"stream_options\":{\"type\":[\"object\",\"null\"],\"properties\":{\"include_usage\":{"
  "\"type\":\"boolean\"}}}}}}";

static json_t *param_schema(const param_entry *e)
{
  switch (e->type) {
  case PARAM_INT: return json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", (int)e->min, "maximum", (int)e->max);
  case PARAM_NUMBER: return json_pack("{s:s, s:f, s:f}", "type", "number", "minimum", e->min, "maximum", e->max);
  case PARAM_BOOL: return json_pack("{s:s}", "type", "boolean");
  case PARAM_STRING: return json_pack("{s:s, s:i}", "type", "string", "maxLength", (int)e->max / 4);
  case PARAM_EARLY_STOPPING: return json_pack("{s:s, s:[s, s, s]}", "type", "string", "enum", "true", "false", "never");
  }
  return NULL;
}

static json_t *in_query(const char *name, const char *description, json_t *schema)
{
  return json_pack("{s:s, s:s, s:s, s:o}", "name", name, "in", "query", "description", description, "schema", schema);
}

static json_t *history_param(const char *name)
{
  if (strcmp(name, "search") == 0)
    return in_query(name, "Only entries with this in their name or text, in any case", json_pack("{s:s, s:i}", "type", "string", "maxLength", 250));
  if (strcmp(name, "before") == 0)
    return in_query(name, "Only entries older than this id: `next` of the page before", json_pack("{s:s, s:i}", "type", "integer", "minimum", 1));
  return in_query(name, "How many", json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 1, "maximum", 500));
}

static json_t *parameters_of(const route *r)
{
  json_t *list = json_array();
  const char *brace = strchr(r->path, '{');
  char names[64], *rest = NULL;
  if (brace) {
    snprintf(names, sizeof names, "%.*s", (int)strcspn(brace + 1, "}"), brace + 1);
    bool id = strcmp(names, "id") == 0;
    json_array_append_new(list,
      json_pack("{s:s, s:s, s:b, s:o}", "name", names, "in", "path", "required", 1, "schema",
        id ? json_pack("{s:s, s:i}", "type", "integer", "minimum", 1) : json_pack("{s:s, s:i}", "type", "string", "minLength", 1)));
  }
  if (r->query && strcmp(r->query, "describe") == 0)
    for (const param_entry *e = param_table; e->name; e++)
      json_array_append_new(list, in_query(e->name, e->description, param_schema(e)));
  else if (r->query) {
    snprintf(names, sizeof names, "%s", r->query);
    for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
      json_array_append_new(list, history_param(name));
  }
  return list;
}

/* The form: pictures and the same parameters. */
static json_t *form_schema(void)
{
  json_t *fields = json_object();
  json_object_set_new(fields, "image",
    json_pack(
      "{s:s, s:i, s:s, s:{s:s, s:s}}", "type", "array", "minItems", 1, "description", "Pictures; the field is repeated", "items", "type", "string", "contentMediaType", "image/*"));
  for (const param_entry *e = param_table; e->name; e++)
    json_object_set_new(fields, e->name, param_schema(e));
  return json_pack("{s:s, s:[s], s:o, s:b}", "type", "object", "required", "image", "properties", fields, "additionalProperties", 0);
}

static json_t *body_of(const route *r)
{
  json_t *content = json_object();
  for (const char *const *t = r->types; *t; t++)
    if (strcmp(*t, "multipart/form-data") == 0)
      json_object_set_new(content, *t, json_pack("{s:o}", "schema", form_schema()));
    else if (strcmp(*t, "application/json") == 0)
      json_object_set_new(content, *t, json_pack("{s:{s:s}}", "schema", "$ref", "#/components/schemas/ChatRequest"));
    else
      json_object_set_new(content, strcmp(*t, "image/") == 0 ? "image/*" : *t, json_pack("{s:{}}", "schema"));
  return json_pack("{s:b, s:o}", "required", 1, "content", content);
}

static json_t *answers_of(const route *r)
{
  json_t *all = json_object();
  char words[512], *rest = NULL, ref[96];
  snprintf(words, sizeof words, "%s", r->answers);
  for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    char *schema = strchr(word, ':');
    *schema++ = '\0';
    unsigned status = (unsigned)strtoul(word, NULL, 10);
    json_t *answer = json_pack("{s:s}", "description", status_words(status));
    if (strchr(schema, '/'))
      json_object_set_new(answer, "content", json_pack("{s:{s:{s:s}}}", schema, "schema", "type", "string"));
    else if (*schema) {
      snprintf(ref, sizeof ref, "#/components/schemas/%s", schema);
      json_t *content = json_pack("{s:{s:{s:s}}}", TYPE_JSON, "schema", "$ref", ref);
      if (status == 200 && (r->flags & ROUTE_PICTURES))
        json_object_set_new(content, TYPE_EVENTS, json_pack("{s:{s:s}}", "schema", "type", "string"));
      json_object_set_new(answer, "content", content);
    }
    if (status == 503 || status == 429)
      json_object_set_new(answer, "headers", json_pack("{s:{s:{s:s}}}", "Retry-After", "schema", "type", "integer"));
    json_object_set_new(all, word, answer);
  }
  return all;
}

static json_t *operation(const server *s, const route *r)
{
  json_t *o = json_pack("{s:s, s:s, s:o, s:o}", "operationId", r->id, "summary", r->summary, "parameters", parameters_of(r), "responses", answers_of(r));
  if (r->types)
    json_object_set_new(o, "requestBody", body_of(r));
  if (s->keys && !(r->flags & ROUTE_OPEN))
    json_object_set_new(o, "security", json_pack("[{s:[]}]", "key"));
  return o;
}

char *openapi_text(const server *s)
{
  json_t *paths = json_object(), *known = json_loads(schemas, 0, NULL);
  for (const route *r = route_table; r->method; r++) {
    if ((r->flags & ROUTE_ASSET) || ((r->flags & ROUTE_HISTORY) && !s->history))
      continue;
    char method[8];
    size_t n = 0;
    for (; r->method[n] && n + 1 < sizeof method; n++)
      method[n] = (char)(r->method[n] | 32);
    method[n] = '\0';
    if (!json_object_get(paths, r->path))
      json_object_set_new(paths, r->path, json_object());
    json_object_set_new(json_object_get(paths, r->path), method, operation(s, r));
  }
  json_t *components = json_pack("{s:o}", "schemas", known);
  if (s->keys)
    json_object_set_new(components, "securitySchemes", json_pack("{s:{s:s, s:s}}", "key", "type", "http", "scheme", "bearer"));
  json_t *root = json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:o}", "openapi", "3.1.0", "info", "title", "opis", "version", OPIS_VERSION, "description",
    "Says in words what is on a picture", "paths", paths, "components", components);
  char *text = root ? json_text(root) : NULL;
  json_decref(root);
  return text;
}
