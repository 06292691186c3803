/* YAML with anchors, aliases and merges: places lie inside of the text and memory stays in proportion to it; what an edit says can be read back; a string that was written comes back as it was. */
#include "data/yaml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* YAML's line ends beside ASCII's, which neither DVC nor people write, move what follows. */
static bool other_line_ends(const char *s, size_t n)
{
  return memmem(s, n, "\xC2\x85", 2) || memmem(s, n, "\xE2\x80\xA8", 3) || memmem(s, n, "\xE2\x80\xA9", 3);
}

static size_t check(const yaml_node *n, size_t size)
{
  size_t nodes = 1;
  if (!n)
    return 0;
  if (n->begin > n->end || n->end > size || (n->kind == YAML_MAPPING && n->n % 2) || (n->kind == YAML_SCALAR && n->text[n->length] != '\0'))
    abort();
  for (size_t i = 0; i < n->n; i++)
    nodes += check(n->items[i], size);
  return nodes;
}

/* Every first-level key in its turn gets a value, then goes. */
static void edit(const char *text, size_t size, const yaml_node *root)
{
  static const char *const here[] = {NULL};
  for (size_t i = 0; i < root->n && i < 8; i += 2) {
    const char *key = root->items[i]->kind == YAML_SCALAR ? root->items[i]->text : NULL;
    strbuf b = STRBUF_INIT;
    yaml_node *again;
    if (!key || strlen(key) != root->items[i]->length || yaml_get(root, key) != root->items[i + 1])
      continue;
    strbuf_append(&b, text, size);
    if (yaml_set(&b, here, key, "fuzz", "fuzz") == 0) {
      if (yaml_parse(&again, b.s, b.n, "fuzz") == 0) { /* what had an anchor that others use may have gone */
        const char *value = yaml_text(again, key);
        if (!value || strcmp(value, "fuzz") != 0)
          abort();
        yaml_node_free(again);
      }
    }
    strbuf_free(&b);
  }
}

/* On one line, and without other line ends than ASCII's: there, ruamel.yaml has cases that it does not read back itself, and DVC's bytes are followed. */
static void write_and_read(const char *text, size_t size)
{
  strbuf b = STRBUF_INIT;
  yaml_node *node;
  char *s = strndup(text, size < 300 ? size : 300);
  strbuf_puts(&b, "path:");
  if (s && yaml_put_string(&b, s, 5, 2) == 0 && strbuf_check(&b) == 0) {
    strbuf_putc(&b, '\n');
    if (yaml_parse(&node, b.s, b.n, "fuzz") < 0)
      abort();
    const yaml_node *value = yaml_get(node, "path");
    bool whole = !memchr(b.s, '\n', b.n - 1) && !other_line_ends(s, strlen(s));
    if (!value || value->kind != YAML_SCALAR || (whole && strcmp(value->text, s) != 0))
      abort();
    yaml_node_free(node);
  }
  free(s);
  strbuf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const char *text = (const char *)data;
  yaml_node *root;
  if (yaml_parse(&root, text, size, "fuzz") == 0) {
    if (check(root, size) > 1000000)
      abort();
    if (root && root->kind == YAML_MAPPING && !other_line_ends(text, size))
      edit(text, size, root);
    yaml_node_free(root);
  }
  write_and_read(text, size);
  return 0;
}
