/* The table of routes. */
#include "serve/routes.h"

#include <string.h>
#include <strings.h>

static const char *const picture_types[] = {"multipart/form-data", "image/", "application/octet-stream", NULL};
static const char *const json_types[] = {"application/json", NULL};

#define ERRORS " 401:Error 403:Error"
#define BODY_ERRORS " 408:Error 413:Error 415:Error"

const route route_table[] = {
  {"POST", "/v1/describe", ROUTE_PICTURES, handle_describe, picture_types, "describe", "describe", "Describe one picture or several",
    "200:Answer 400:Error 422:Error 429:Error 503:Error" ERRORS BODY_ERRORS},
  {"POST", "/v1/chat/completions", ROUTE_PICTURES | ROUTE_CHAT, handle_chat, json_types, NULL, "chatCompletions", "Describe a picture, in the form of OpenAI's chat completions",
    "200:ChatCompletion 400:ChatError 404:ChatError 422:ChatError 429:ChatError 503:ChatError 401:ChatError 403:Error 408:ChatError 413:ChatError 415:ChatError"},
  {"GET", "/v1/models", 0, handle_models, NULL, NULL, "listModels", "The models that this server has", "200:Models 503:Error" ERRORS},
  {"GET", "/v1/models/{model}", 0, handle_model, NULL, NULL, "getModel", "One of them", "200:Model 404:Error 503:Error" ERRORS},
  {"GET", "/v1/history", ROUTE_HISTORY, handle_history_list, NULL, "search before limit", "listHistory", "Descriptions made before, newest first", "200:History 400:Error" ERRORS},
  {"DELETE", "/v1/history", ROUTE_HISTORY, handle_history_clear, NULL, NULL, "clearHistory", "Forget all of them", "204:" ERRORS},
  {"DELETE", "/v1/history/{id}", ROUTE_HISTORY, handle_history_delete, NULL, NULL, "deleteHistoryEntry", "Forget one", "204: 400:Error 404:Error" ERRORS},
  {"GET", "/v1/info", ROUTE_OPEN, handle_info, NULL, NULL, "info", "What the server can do", "200:Info 403:Error"},
  {"GET", "/healthz", ROUTE_OPEN, handle_healthz, NULL, NULL, "health", "Whether the process is alive", "200:Status 403:Error"},
  {"GET", "/readyz", ROUTE_OPEN, handle_readyz, NULL, NULL, "ready", "Whether every model is loaded and warm", "200:Status 503:Status 403:Error"},
  {"GET", "/metrics", 0, handle_metrics, NULL, NULL, "metrics", "Counters for Prometheus", "200:text/plain" ERRORS},
  {"GET", "/openapi.json", ROUTE_OPEN, handle_openapi, NULL, NULL, "openapi", "This description", "200:Document 403:Error"},
  {"GET", "/", ROUTE_OPEN | ROUTE_ASSET, handle_page, NULL, NULL, "page", "The page", ""},
  {"GET", "/style.css", ROUTE_OPEN | ROUTE_ASSET, handle_page, NULL, NULL, "style", "", ""},
  {"GET", "/theme.js", ROUTE_OPEN | ROUTE_ASSET, handle_page, NULL, NULL, "theme", "", ""},
  {"GET", "/app.js", ROUTE_OPEN | ROUTE_ASSET, handle_page, NULL, NULL, "script", "", ""},
  {"GET", "/words.js", ROUTE_OPEN | ROUTE_ASSET, handle_page, NULL, NULL, "words", "", ""},
  {"GET", "/attention.js", ROUTE_OPEN | ROUTE_ASSET, handle_page, NULL, NULL, "attention", "", ""},
  {"GET", "/history.js", ROUTE_OPEN | ROUTE_ASSET, handle_page, NULL, NULL, "history", "", ""},
  {"GET", "/icon.svg", ROUTE_OPEN | ROUTE_ASSET, handle_page, NULL, NULL, "icon", "", ""},
  {0},
};

size_t route_index(const route *r)
{
  return (size_t)(r - route_table);
}

size_t route_count(void)
{
  return sizeof route_table / sizeof *route_table - 1;
}

static bool matches(const char *pattern, const char *path, const char **argument)
{
  const char *brace = strchr(pattern, '{');
  if (!brace)
    return strcmp(pattern, path) == 0;
  size_t n = (size_t)(brace - pattern);
  if (strncmp(pattern, path, n) != 0 || !path[n])
    return false;
  *argument = path + n;
  return true;
}

static const char *allow_words(bool get, bool post, bool delete)
{
  if (get)
    return delete ? "GET, HEAD, DELETE, OPTIONS" : "GET, HEAD, OPTIONS";
  return post ? "POST, OPTIONS" : "DELETE, OPTIONS";
}

const route *route_find(const server *s, const char *method, const char *path, const char **argument, const char **allow)
{
  bool get = false, post = false, delete = false;
  *allow = NULL;
  for (const route *r = route_table; r->method; r++) {
    const char *found = NULL;
    if (((r->flags & ROUTE_HISTORY) && !s->history) || !matches(r->path, path, &found))
      continue;
    if (strcmp(r->method, method) == 0) {
      *argument = found;
      return r;
    }
    get |= strcmp(r->method, "GET") == 0;
    post |= strcmp(r->method, "POST") == 0;
    delete |= strcmp(r->method, "DELETE") == 0;
  }
  if (get || post || delete)
    *allow = allow_words(get, post, delete);
  return NULL;
}

bool route_takes(const route *r, const char *content_type)
{
  if (!content_type)
    return r->types == picture_types; /* bytes without a word about them */
  for (const char *const *t = r->types; *t; t++) {
    size_t n = strlen(*t);
    if (strncasecmp(content_type, *t, n) == 0 && ((*t)[n - 1] == '/' || strchr("; \t", content_type[n]) != NULL))
      return true;
  }
  return false;
}
