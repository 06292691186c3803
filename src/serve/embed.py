#!/usr/bin/env python3
"""embed.py OUT.c FILE...: writes the page's files as C arrays. index.html is served as /."""
import hashlib
import os
import sys

TYPES = {'html': 'text/html; charset=utf-8', 'css': 'text/css; charset=utf-8', 'js': 'text/javascript; charset=utf-8', 'svg': 'image/svg+xml',
         'webmanifest': 'application/manifest+json'}


def main(out, files):
    with open(out, 'w', encoding='ascii') as c:
        c.write('#include "serve/assets.h"\n')
        rows = []
        for i, path in enumerate(files):
            with open(path, 'rb') as f:
                data = f.read()
            name = os.path.basename(path)
            c.write('static const unsigned char file%d[] = {' % i)
            c.write(','.join(map(str, data)) + '};\n')
            rows.append('{"%s", "%s", "\\"%s\\"", file%d, %d}' % ('/' if name == 'index.html' else '/' + name, TYPES[name.rsplit('.', 1)[1]],
                                                             hashlib.sha256(data).hexdigest()[:16], i, len(data)))
        c.write('const asset assets[] = {%s, {0}};\n' % ', '.join(rows))


main(sys.argv[1], sys.argv[2:])
