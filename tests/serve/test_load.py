"""64 clients with pictures at once, for a moment: bench/serve_load.py has the long run and its numbers."""
import os
import sys

from helper import OPIS, ROOT, Server, picture

sys.path.insert(0, os.path.join(ROOT, 'bench'))
from serve_load import Load, memory  # noqa: E402


def test_many_clients_with_pictures():
    pictures = [picture(n) for n in ('cat.jpg', 'astronaut.jpg', 'rgb.png', 'gray.png')]
    with Server(program=OPIS) as s:
        load = Load(s.port, pictures)
        load.run(64, 2)
        before = memory(s.process.pid)
        load.run(64, 4)
        assert not load.failures and set(load.statuses) <= {200, 429, 503} and load.statuses[200] > 0, (load.statuses, load.failures[:3])
        assert memory(s.process.pid) - before < 64 and load.health
        assert s.is_empty()
        assert s.describe(('image', 'x', pictures[0])).status == 200
