# venv: dvc
"""dvc.yaml with templates, loops and parameters: opis data and DVC 3.67 say the same of one repository, and refuse the same."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "data"))
from conftest import OPIS, Repository  # noqa: E402
from test_data import dvc, home  # noqa: E402, F401

FIRST = int(os.environ.get("OPIS_INTEROP_FIRST", 0))
FULL = os.environ.get("OPIS_INTEROP") == "full"
SEEDS = range(FIRST, FIRST + int(os.environ.get("OPIS_INTEROP_SEQUENCES", 300 if FULL else 12)))


def write(repo, files):
    for name, text in files.items():
        path = repo.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)


def shown(repo):
    return "\n".join(f"--- {p.relative_to(repo.path)}\n{p.read_text()}" for p in sorted(repo.path.rglob("*")) if p.is_file() and p.suffix in (".yaml", ".lock", ".json", ".toml", ".py") and ".git" not in p.parts)


def same(repo, *args):
    """Both answer alike, or both refuse. What DVC says, None where it refuses."""
    mine, (status, theirs) = repo.run(*args), dvc(repo, *args)
    out = mine.stdout.decode()
    assert mine.returncode in (0, 1, 2, 3), (args, mine.returncode, mine.stderr)
    assert (mine.returncode == 0) == (status == 0), f"{args}: opis {mine.returncode} {mine.stderr.decode()}, DVC {status}\n{shown(repo)}"
    if status:
        return None
    if "--json" in args:
        assert json.loads(out) == json.loads(theirs), f"{args}\nopis {out}\nDVC  {theirs}\n{shown(repo)}"
        return json.loads(theirs)
    if args[0] != "status" or "\t" in theirs:
        assert out.split("\n") == theirs.split("\n"), f"{args}\nopis {out}\nDVC  {theirs}\n{shown(repo)}"
    return theirs


def make(repo):
    """What stages should have made, and what they need, is there. Its status before."""
    found = json.loads(dvc(repo, "status", "--json")[1] or "{}")
    for entries in found.values():
        for kind, paths in (pair for e in entries if isinstance(e, dict) for pair in e.items()):
            for name in (n for n, state in paths.items() if state == "deleted"):
                path = repo.path / name
                if (kind == "changed outs" or path.suffix not in (".yaml", ".json", ".toml", ".py")) and not any(p.is_file() for p in path.parents):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(name)
    return found


def checkouts(repo, tmp):
    """The outputs are lost: what each puts back, and whether it says that this is all."""
    found = []
    status, listed = dvc(repo, "list", ".", "-R", "--dvc-only", "--json")
    outs = [out["path"] for out in json.loads(listed)] if status == 0 else []
    for by_dvc in (False, True):
        copy = Repository(tmp, init=False)
        shutil.rmtree(copy.path)
        shutil.copytree(repo.path, copy.path)
        for out in outs:
            (copy.path / out).unlink(missing_ok=True)
        if by_dvc:
            status = dvc(copy, "checkout", "-f")[0]
        else:
            status = copy.run("checkout", "-f").returncode
        found.append((status == 0, {out: (copy.path / out).read_bytes() for out in outs if (copy.path / out).exists()}))
        shutil.rmtree(copy.path)
    assert found[0] == found[1], shown(repo)


def reports(repo, *targets, short=False):
    same(repo, "status", "--json")
    if short:
        return
    same(repo, "status")
    for target in targets:
        same(repo, "status", "--json", target)
    same(repo, "list", ".", "-R", "--dvc-only", "--json")
    same(repo, "diff", "--json")


TOML = r"""# a comment
title = "TOML \u00e9 \"x\" \t"
'quoted key' = 'C:\x'
dotted.a."b c" = 1_000
n = [1, -2, +3, 0x1F, 0o17, 0b11, 1.5, -0.5e-3, 6.02e+23, inf, -inf, 1e5]
big = 99999999999999999999
t = true
many = @@@
one\
   two
"three" @@@
raw = '''
a\b'c'''
inline = { a = 1, b.c = [ "x", { d = 2 } ] }
[table]
x = 1 # behind
[table.sub."q.r"]
y = 2
[[items]]
name = "a"
[[items]]
name = "b"
[items.inner]
z = [
  1, # one
  2,
]
""".replace("@@@", '"""')
PYTHON = r'''"""A docstring: with = signs
x = 5
"""
import os, sys
from a import (b,
    c)
lr = 0.1
n: int = 3
hexa = 0x1F; octal = 0o17; many = 1_000
neg = -5
big = 123456789012345678901234567890
flt = 1e-3
s = 'it\'s' "joined" \
    r'\raw'
u = "\u00e9\x41\n"
triple = """a
b"""
t = True; f = False; z = None
tup = (1, "a", 2.5)
bare = 1, 2
one = (7)
lst = [1, [2, 3], {'k': 'v'},]
d = {
    'a': 1,  # comment
    "b": {"c": [True]},
}
calc = 1 + 2
call = f(x=3)
a = b = 4
p, q = 1, 2
aug = 1
aug += 1
cond = 1 if lr else 2
if lr:
    hidden = 1
else: hidden = 2
for i in range(3): loop = i
def func(x=1):
    inner = 3
class Train(Base, metaclass=M):
    """doc"""
    EPOCHS = 70
    layers: list = [1,
        2]
    @property
    def prop(self): return 5
    def method(self):
        self.no = 1
    class Deep:
        v = 'deep'

    def __init__(self, a: int = 5, b={'x': 1}):
        self.layers2 = 5
        self.sum = 1 + 2
        local = 3
        self.typed: float = 1.5
        if a:
            self.hidden = 1
AFTER = "end"
class Short: x = 1; y = 2
'''
TABLE = {
    "command": ({"params.yaml": "lr: 0.1\n"}, "stages: {train: {cmd: 'train ${lr}', outs: [m]}}", [{"params.yaml": "lr: 0.2\n"}, {"params.yaml": "lr: 0.10\n"}, {"params.yaml": "l: 1\n"}, {"params.yaml": None}]),
    "foreach list": ({}, "stages: {each: {foreach: [a, b], do: {cmd: 'x ${item}', outs: ['f-${item}']}}}",
                     [{"dvc.yaml": "stages: {each: {foreach: [b, c, c], do: {cmd: 'x ${item}', outs: ['f-${item}']}}}"}, {"dvc.yaml": "stages: {each: {foreach: [], do: {cmd: x}}, k: {cmd: y}}"}]),
    "foreach of a file": ({"params.yaml": "m: {a: {n: 1}, b: {n: 2}}\n"}, "stages: {each: {foreach: '${m}', do: {cmd: 'x ${key} ${item.n}', outs: ['${key}/f']}}}",
                          [{"params.yaml": "m: {a: {n: 1}, b: {n: 3}, c: {n: 4}}\n"}, {"params.yaml": "m: {a: {}}\n"}, {"params.yaml": "m: 3\n"}, {"params.yaml": "m: [x, 0o10, true, null, 1.50]\n"}]),
    "foreach of dicts": ({}, "stages: {each: {foreach: [{n: 1, o: a}, {n: 2, o: b}], do: {cmd: 'x ${item.n}', outs: ['${item.o}']}}}", []),
    "foreach names": ({}, "vars: [{l: [true, x]}]\nstages: {a: {foreach: [true, 1.50, ~, '${l[0]}', {}], do: {cmd: x}}, b: {foreach: [true, 1.50, ~, '${l[0]}'], do: {cmd: x}}, c: {foreach: '${l}', do: {cmd: x}}, d: {foreach: {1: a, b: c, 2.5: q}, do: {cmd: 'x ${key}'}}}", []),
    "matrix": ({"params.yaml": "seeds: [1, 2]\n"}, "stages: {m: {matrix: {s: '${seeds}', k: [a, {z: 1}, [3]], w: xy}, cmd: 'x ${item.s} ${item.w} ${key}', outs: ['o-${key}']}}",
               [{"params.yaml": "seeds: [2, 3]\n"}, {"params.yaml": "seeds: []\n"}, {"params.yaml": "seeds: {a: 1}\n"}, {"params.yaml": "seeds: 1\n"}]),
    "vars": ({"a.yaml": "x: {p: 1}\ny: 2\n", "b.json": "{\"z\": [1, 2.0, true, null, \"ü\"]}"}, "vars: [a.yaml:x, b.json, {x: {q: 5}}]\nstages: {s: {cmd: 'x ${x.p} ${x.q} ${z[0]} ${z[1]} ${z[2]} ${z[3]} ${z[-1]}', outs: [o]}}",
             [{"a.yaml": "y: 2\n"}, {"a.yaml": "x: {p: 1, q: 2}\n"}, {"a.yaml": None}, {"a.yaml": "x: {p: 1}\n", "b.json": "{"}, {"b.json": "[]"}, {"b.json": "[1]"}]),
    "vars again": ({"a.yaml": "x: 1\ny: 2\n"}, "vars: [a.yaml:x, a.yaml:y]\nstages: {s: {vars: [params.yaml], cmd: 'x ${x} ${y} ${z}', outs: [o]}}",
                   [{"params.yaml": "z: 1\n"}, {"params.yaml": "x: 1\nz: 1\n"}, {"params.yaml": None, "dvc.yaml": "vars: [a.yaml, a.yaml]\nstages: {s: {cmd: x}}"}, {"dvc.yaml": "vars: [a.yaml:x, a.yaml]\nstages: {s: {cmd: x}}"},
                    {"dvc.yaml": "vars: ['a.yaml:x,y', 'a.yaml:y']\nstages: {s: {cmd: x}}"}, {"dvc.yaml": "vars: [a.yaml]\nstages: {s: {vars: ['a.yaml:x'], cmd: x}}"}, {"dvc.yaml": "vars: [{a: '${b}'}]\nstages: {s: {cmd: x}}"}]),
    "wdir": ({"params.yaml": "d: sub\nk: 1\n", "sub/params.yaml": "k: 2\n", "sub/v.yaml": "q: w\n"}, "stages: {s: {wdir: '${d}', vars: [v.yaml], cmd: 'x ${q} ${k}', deps: [../i], outs: ['${q}'], params: [k, {../params.yaml: [d]}]}}",
             [{"sub/params.yaml": "k: 3\n"}, {"params.yaml": "d: sub\nk: 5\n"}, {"params.yaml": "d: 5\nk: 1\n"}, {"sub/v.yaml": "q: e\n"}]),
    "below": ({"sub/params.yaml": "v: 3\n", "params.yaml": "v: 4\n", "sub/dvc.yaml": "stages: {s: {cmd: 'x ${v}', outs: ['o${v}'], params: [v]}}"}, "stages: {s: {cmd: 'x ${v}', outs: ['o${v}'], params: [v]}}", [{"sub/params.yaml": "v: 4\n"}, {"params.yaml": "v: 3\n"}]),
    "options": ({"params.yaml": "c: {a: 1, b: [1, 'q q', true, ~], d: {e: true, f: false, g: ~}, h: \"it's\", i: [], j: {}, k: 1.0, l: ''}\n"}, "stages: {s: {cmd: 'x ${c} ${c.d}', outs: [o]}, t: {cmd: ['a ${c.d}', 'b']}}",
                [{".dvc/config": "[parsing]\n    bool = boolean_optional\n    list = append\n"}, {"params.yaml": "c: {a: [[1]], d: {}}\n"}, {"params.yaml": "c: {a: [{}], d: {}}\n"}]),
    "text": ({"params.yaml": "a: {b: [{c: 7}]}\n"}, "stages: {s: {cmd: 'x \\${HOME} $HOME ${a.b[0].c} ${ a.b[ 0 ] .c } ${a.b.0.c} ${', outs: [o]}}", [{"params.yaml": "a: {b: [{c: [7]}]}\n"}, {"params.yaml": "a: {b: [{c: '\\${x}'}]}\n"}]),
    "types": ({"params.yaml": "l: [0x1F, 0o17, 0b11, 1_000, 0123, 1e3, 1.50, .5, -.inf, .NaN, 1e16, 1e22, 123456789012345678901234567890, 0xFFFFFFFFFFFFFFFFFFFF, 1.5e-5, +1, -0.0, 1., yes, '1', ~, True, 1:30, é]\n"},
              "stages: {s: {foreach: '${l}', do: {cmd: 'x ${item}', outs: ['k_${item}']}}}", []),
    "malformed": ({"params.yaml": "a: {b: 1}\n"}, "stages: {s: {cmd: x}}", [{"dvc.yaml": f"stages: {{s: {{cmd: 'x ${{{e}}}'}}}}"} for e in ("", "a.", ".a", "a..b", "a[b", "a[b]", "a[b]c", "a]b", "a[b].", "a [b] ", "a.b.c", "[a]", "a b", " a.b ")]),
    "put whole": ({"params.yaml": "n: 5\nl: [1]\nd: {a: 1}\nt: true\ns: text\n"}, "stages: {s: {cmd: x, outs: ['${s}'], desc: '${n}', meta: {k: '${t}'}}}",
                  [{"dvc.yaml": t} for t in ("stages: {s: {cmd: x, outs: ['${n}']}}", "stages: {s: {cmd: x, outs: ['${l}']}}", "stages: {s: {cmd: x, deps: ['${n}']}}", "stages: {s: {cmd: '${d}', outs: [o]}}", "stages: {s: {cmd: '${l}'}}", "stages: {s: {cmd: 'x ${l}'}}",
                                             "stages: {s: {cmd: '${n}', outs: [o]}}", "stages: {s: {cmd: x, params: ['${s}']}}", "stages: {s: {cmd: x, params: ['${n}']}}", "stages: {s: {cmd: x, meta: {k: '${l}'}}}", "stages: {s: {cmd: x, desc: '${none}'}}")]),
    "params": ({"params.yaml": "a: 1\nb: {c: 2, d: [3, 4]}\ne: 5\n", "other.json": "{\"k\": 1, \"l\": {\"m\": 2}}", "all.yaml": "x: 1\ny: {z: 2}\n"},
               "stages: {s: {cmd: x, deps: [i], params: [a, b.c, b.d.0, b.d, e, {other.json: [k, l.m]}, {all.yaml: }], outs: [o]}}",
               [{"params.yaml": "a: 2\nb: {c: 2.0, d: [3, 5]}\ne: true\n"}, {"params.yaml": "a: 1\nb: {d: []}\n"}, {"other.json": "{\"l\": {\"m\": \"2\"}}"}, {"all.yaml": "y: {z: 3}\nw: 4\n"}, {"all.yaml": None}, {"params.yaml": ""}, {"other.json": "{"},
                {"other.json": "{}", "params.yaml": "- a\n- b\n"}]),
    "params not locked": ({"params.yaml": "a: 1\n"}, "stages: {s: {cmd: x, params: [a], outs: [o]}}",
                          [{"dvc.yaml": "stages: {s: {cmd: x, params: [a, b, {p.yaml: [c]}], outs: [o]}}"}, {"p.yaml": "c: ["}, {"params.yaml": "a: 1\nb: 2\n"}, {"dvc.yaml": "stages: {s: {cmd: x, params: [a, {params.yaml: }], outs: [o]}}"}]),
    "params and dependency": ({"params.yaml": "a: 1\n", "i": "1"}, "stages: {s: {cmd: x, deps: [i, params.yaml], params: [a], outs: [o]}}", [{"params.yaml": "a: 2\n"}, {"params.yaml": "a: 1\nb: 1\n"}, {"params.yaml": None}]),
    "patterns": ({"params.yaml": "a: {x: 1}\nb: {x: 2, y: 3}\n"}, "stages: {s: {cmd: x, params: ['a.*', 'b.[xz]', 'b.?'], outs: [o]}}", [{"dvc.yaml": "stages: {s: {cmd: x, params: ['a.*', 'b.[xz]'], outs: [o]}}"}, {"params.yaml": "a: {z: 1}\nb: {z: 2}\n"}]),
    "whole file of odd keys": ({"p.yaml": "1: a\nfalse: b\n'x.y': c\n", "q.yaml": "- a\n"}, "stages: {s: {cmd: x, params: [{p.yaml: }], outs: [o]}}", [{"p.yaml": "1: b\n2: 3\n"}]),
    "commands": ({}, "stages:\n  a:\n    cmd: |\n      one\n      two\n    outs: [o]\n  b: {cmd: [one, two], outs: [p]}\n  c:\n    cmd: >-\n      one\n      two\n    outs: [q]\n",
                 [{"dvc.yaml": "stages:\n  a:\n    cmd: |-\n      one\n      two\n    outs: [o]\n  b: {cmd: [two, one], outs: [p]}\n  c: {cmd: one two, outs: [q]}\n"}, {"dvc.yaml": "stages: {b: {cmd: one, outs: [p]}}"}]),
    "frozen": ({"params.yaml": "a: 1\n", "i": "1"}, "stages: {s: {cmd: x, frozen: true, params: [a], deps: [i], outs: [o]}, t: {cmd: x, always_changed: true, outs: [p]}, u: {cmd: x}, v: {cmd: x, params: [a]}}", [{"params.yaml": "a: 2\n"}]),
    "stale lock": ({}, "stages: {s: {cmd: x, deps: [i, j], outs: [o, p], metrics: [{m.json: {cache: false}}], plots: [{c.csv: {x: a}}]}}",
                   [{"dvc.yaml": "stages: {s: {cmd: x, deps: [j, k], outs: [{p: {persist: true}}, q]}}"}, {"dvc.yaml": "stages: {s: {cmd: x, outs: [./o]}}"}]),
    "sections": ({"params.yaml": "n: a\n"}, "params: [params.yaml]\nmetrics: [m.json]\nplots: [p.csv, {'${n}': {x: b}}]\nartifacts: {mod: {path: '${n}', type: model}}\nstages: {s: {cmd: x, outs: [o]}}\n",
                 [{"dvc.yaml": "plots: ['${none}']\nstages: {s: {cmd: x, outs: [o]}}\n"}, {"dvc.yaml": "metrics: [m]\n"}, {"dvc.yaml": "params: ['${n.x}']\n"}]),
    "wrong": ({}, "stages: {s: {cmd: x, outs: [o]}}", [{"dvc.yaml": t} for t in ("stages: {s: {outs: [o]}}", "stages: [s]", "stages:\n", "- a\n", "stages: {s: x}", "stages: {s: {cmd: x, cmd: y}}", "stages: {s: {foreach: [a]}}", "stages: {s: {foreach: 3, do: {cmd: x}}}",
                                                                               "stages: {s: {foreach: abc, do: {cmd: x}}}", "stages: {a@b: {cmd: x}}", "stages: {a: {foreach: [x@y], do: {cmd: x}}}", "stages: {s: {cmd: x, outs: o}}", "stages: {s: {cmd: x, outs: [3]}}", "stages: {s: {cmd: x, deps: i}}",
                                                                               "vars: {a: 1}\nstages: {}", "vars: [3]\nstages: {}", "stages: {s: {cmd: 3}}", "stages: {s: {cmd: }}", "stages: {s: {cmd: x, wdir: 3}}", "stages: {s: {cmd: x, params: a}}", "stages: {s: {cmd: x, params: [3]}}", "stages: {s: {cmd: x, params: [{p: x}]}}",
                                                                               "stages: {s: {matrix: [a], cmd: x}}", "stages: {s: {matrix: {a: 3}, cmd: x}}", "stages: {s: {foreach: [1], do: {vars: [{item: 1}], cmd: x}}}", "stages: {s: {cmd: x, frozen: 1}}", "stages: {s: {cmd: x, outs: [{o: 3}]}}", "stages: {s: {cmd: x, outs: [{o: {cache: 3}}]}}")]),
    "lock": ({"params.yaml": "k: 1\n"}, "stages: {s: {cmd: x, params: [k], outs: [o]}}", [{"dvc.lock": t} for t in (
        "schema: '2.0'\nstages: {s: {outs: [{path: o, hash: md5, md5: c4ca4238a0b923820dcc509a6f75849b}]}}\n",
        "stages: {s: {cmd: x}}\n",
        "s: {cmd: x}\n",
        "- a\n",
        "",
        "a: [\n",
        "schema: '3.0'\nstages: {}\n",
        "schema: '2.0'\nstages: {s: {cmd: x}, s: {cmd: y}}\n",
        "schema: '2.0'\nstages: {s: {cmd: x, params: [a]}}\n",
        "schema: '2.0'\nstages: {s: {cmd: x, params: {params.yaml: }}}\n",
        "schema: '2.0'\nstages: {s: }\n",
        "schema: '2.0'\nstages: {s: {}}\n",
        "schema: '2.0'\n",
        "schema: '2.0'\nstages: {s: {cmd: x, outs: [{md5: c4ca4238a0b923820dcc509a6f75849b}]}}\n",
        "schema: '2.0'\ndatasets: [{name: a}]\nstages: {s: {cmd: x}}\n")]),
    "toml": ({"p.toml": TOML}, "vars: ['p.toml:n,title']\nstages: {s: {cmd: 'x ${title} ${n[3]} ${n[9]}', params: [{p.toml: }], outs: [o]}, t: {cmd: x, params: [{p.toml: [table.x, items.1.inner.z, many, raw, inline, big]}]}}",
             [{"p.toml": TOML.replace("z = [", "z = [ 7,").replace("1_000", "1_001").replace("1.5", "1.25")}, {"p.toml": "a = \n"}, {"p.toml": "a = 1\na = 2\n"}, {"p.toml": ""}, {"p.toml": "n = [1]\ntitle = {}\n"}]),
    "python": ({"p.py": PYTHON}, "vars: ['p.py:lr,Train,s']\nstages: {s: {cmd: 'x ${lr} ${Train.EPOCHS} ${s}', params: [{p.py: }], outs: [o]}, t: {cmd: x, params: [{p.py: [Train.layers, Train.Deep.v, d.b, tup]}]}}",
               [{"p.py": PYTHON.replace("0.1", "0.2").replace("'deep'", "'deeper'").replace("(1, ", "(2, ")}, {"p.py": PYTHON.replace("    EPOCHS = 70\n", "")}, {"p.py": "lr = 1\ns = 's'\nclass Train:\n\tEPOCHS = 5"}, {"p.py": ""}]),
    "dates": ({"params.yaml": "d: 2024-01-02\nt: 2024-01-02 03:04:05\na: 1\n", "p.yaml": "d: 2024-01-02\nt: 2024-01-02T03:04:05.6+02:00\nl: [2024-01-02]\n"}, "stages: {s: {cmd: x, outs: [o]}}", [{"params.yaml": None}, {"dvc.yaml": "stages: {s: {cmd: x, params: [{p.yaml: [d, t, l]}], outs: [o]}}"}]),
    "merge keys": ({"params.yaml": "base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3, z: 4}\nboth: {<<: [{p: 1}, {p: 2, q: 3}]}\n"}, "stages: {s: {cmd: 'x ${mine} ${both}', outs: [o], params: [mine.x, mine, both]}}", [{"params.yaml": "base: &b {x: 1, y: 2}\nmine: {<<: *b, x: 2}\nboth: {}\n"}]),
}


REFUSED = {"vars again", "dates", "params and dependency", "patterns", "whole file of odd keys"}  # what DVC does not take as it begins


@pytest.mark.parametrize("name", TABLE)
def test_forms(home, name, tmp_path):  # noqa: F811
    repo = Repository(home / "repo")
    files, pipeline, changes = TABLE[name]
    write(repo, {**files, "dvc.yaml": pipeline})
    reports(repo)
    make(repo)
    assert dvc(repo, "commit", "-f")[0] == 0 or name in REFUSED, shown(repo)
    repo.commit()
    targets = sorted(make(repo))[:2] + [n for n in ("s", "each", "each@a", "dvc.yaml") if n in pipeline or n == "dvc.yaml"]
    reports(repo, *targets)
    checkouts(repo, tmp_path / "copy")
    for change in changes:
        write(repo, change)
        reports(repo, *targets, short=not FULL and change is not changes[0])
    checkouts(repo, tmp_path / "copy")


def test_targets(home):  # noqa: F811
    """Stages by name, by their loop, by their file and with what they depend on, from the root and from a folder in it."""
    repo = Repository(home / "repo")
    write(repo, {"params.yaml": "k: 1\n", "sub/params.yaml": "k: 2\n", "o-x": "1", "o-y": "2", "sub/p": "3", "q": "4",
                 "dvc.yaml": "stages: {a: {foreach: [x, y], do: {cmd: 'c ${item}', params: [k], outs: ['o-${item}']}}, b: {cmd: z, deps: [o-x], params: [{sub/params.yaml: [k]}]}, c: {cmd: z, deps: [q]}}\n",
                 "sub/dvc.yaml": "stages: {a: {cmd: 'c ${k}', deps: [../o-y], params: [k, {../params.yaml: }], outs: [p]}}\n"})
    inside = Repository(repo.path / "sub", init=False)
    for _ in range(2):
        for args in ([], ["-d", "b"], ["a"], ["a@x"], ["a@z"], ["sub/dvc.yaml:a"], ["-R", "."], ["dvc.yaml"], ["b", "a"], ["nope"], ["-d", "sub/dvc.yaml:a"]):
            same(repo, "status", "--json", *args)
        for args in ([], ["a"], ["-d", "a"], ["../dvc.yaml:a"], ["-R", "."], ["dvc.yaml"], ["p"], ["b"]):
            same(inside, "status", "--json", *args)
        same(inside, "status")
        assert dvc(repo, "commit", "-f")[0] == 0
        write(repo, {"params.yaml": "k: 3\n", "sub/params.yaml": "k: 4\n", "o-y": "5"})


HELD_UP = [["status"], ["status", "data.dvc"], ["status", "data"], ["status", "good"], ["status", "bad"], ["status", "each"], ["status", "each@a"], ["status", "dvc.yaml"], ["status", "dvc.yaml:good"], ["status", "-d", "good"], ["status", "-R", "."],
           ["fetch"], ["fetch", "data.dvc"], ["fetch", "good"], ["push"], ["push", "data.dvc"], ["checkout"], ["checkout", "data"], ["list", "."], ["gc", "-w", "-f"], ["diff", "HEAD"], ["add", "data"], ["commit", "-f", "data.dvc"], ["move", "data", "other"], ["status", "-c"]]


def test_mistakes_hold_up_the_same(home):  # noqa: F811
    repo = Repository(home / "repo")
    repo.ok("remote", "add", "-d", "store", str(home / "store"))
    write(repo, {"data": "1"})
    repo.ok("add", "data")
    repo.ok("push")
    write(repo, {"data": "2", "dvc.yaml": "stages: {bad: {cmd: '${no}', outs: [o]}, good: {cmd: x, deps: [data]}, each: {foreach: [a], do: {cmd: '${no}'}}}"})
    repo.commit()
    for args in HELD_UP:
        mine, (status, _) = repo.run(*args), dvc(repo, *args)
        assert (mine.returncode == 0) == (status == 0), (args, mine.stderr, status)


# ---- random ----

SCALARS = ["1", "2", "0x1F", "1_000", "1e3", "1.0", "1.50", "-0.5", ".inf", "true", "false", "~", "abc", "'1'", "'a b'", "\"it's\"", "é", "2e-7", "12345678901234567890123", "'${x}'", "'\\${x}'", "''", "x-y", "1.0e+20"]
KEYS = ["a", "b", "lr", "k-1", "deep", "list", "é"]


def random_value(rng, depth=0):
    kind = rng.random()
    if depth > 2 or kind < 0.6:
        return rng.choice(SCALARS)
    if kind < 0.8:
        return "[" + ", ".join(random_value(rng, depth + 1) for _ in range(rng.randint(0, 3))) + "]"
    return "{" + ", ".join(f"{k}: {random_value(rng, depth + 1)}" for k in rng.sample(KEYS, rng.randint(0, 3))) + "}"


def random_params(rng):
    return "".join(f"{k}: {random_value(rng)}\n" for k in rng.sample(KEYS, rng.randint(2, len(KEYS))))


def random_name(rng, loop):
    first = rng.choice([*KEYS, *KEYS, "item", "key"] if loop else KEYS)
    return first + rng.choice(["", "", "", ".a", "[0]", ".b.lr", "[-1]", ".é"])


def random_text(rng, loop, prefix):
    return prefix + "".join(rng.choice(["x", "-", f"${{{random_name(rng, loop)}}}", "${lr}", "\\${q}"]) for _ in range(rng.randint(0, 2)))


def random_list(rng):
    return rng.choice(["[" + ", ".join(rng.choice(SCALARS[:14]) for _ in range(rng.randint(0, 3))) + "]", "'${list}'", "'${deep}'", "{" + ", ".join(f"{k}: {random_value(rng)}" for k in rng.sample(KEYS, 2)) + "}"])


def random_body(rng, name, loop):
    mark = rng.choice(["${item}", "${key}"]) if loop else ""
    lines = {"cmd": json.dumps(random_text(rng, loop, "run "), ensure_ascii=False)}
    if rng.random() < 0.2:
        lines["cmd"] = f"[{lines['cmd']}, other]"
    if rng.random() < 0.8:
        flags = [": {cache: false}", ""]
        lines["outs"] = json.dumps([f"out/{name}{mark}", *([random_text(rng, loop, f"out/{name}-2{mark}")] if rng.random() < 0.3 else [])], ensure_ascii=False)
        if rng.random() < 0.3:
            lines["metrics"] = f"[{{{json.dumps('out/' + name + mark + '.json')}{flags[0]}}}]"
    if rng.random() < 0.3:
        lines["deps"] = rng.choice(["[in]", "[in, params.yaml]"])
    if rng.random() < 0.5:
        keys = rng.sample([*KEYS, "deep.a", "list.0", "a.b", "{other.yaml: [lr, deep.b]}", "{other.yaml: }", "{p.json: }", "{gone.yaml: [a]}"], rng.randint(1, 3))
        lines["params"] = "[" + ", ".join(keys) + "]"
    if rng.random() < 0.1:
        lines["vars"] = "[{own: 1}, other.yaml]"
    if rng.random() < 0.1:
        lines["frozen"] = "true"
    return lines


def random_pipeline(rng):
    text = rng.choice(["", "", "vars: [{v: 1}]\n", "vars: ['other.yaml:lr']\n", "vars: [params.yaml]\n"]) + "stages:\n"
    for i in range(rng.randint(1, 4)):
        kind, name = rng.choice(["plain", "plain", "foreach", "matrix"]), f"s{i}"
        body = random_body(rng, name, kind != "plain")
        text += f"  {name}:\n"
        if kind == "foreach":
            text += f"    foreach: {random_list(rng)}\n    do:\n" + "".join(f"      {k}: {v}\n" for k, v in body.items())
        else:
            axes = {k: rng.choice(["[1, 2]", "'${list}'", "[true, a]", "[{a: 1}, x]"]) for k in rng.sample(["p", "q"], rng.randint(1, 2))}
            text += ("    matrix: {" + ", ".join(f"{k}: {v}" for k, v in axes.items()) + "}\n" if kind == "matrix" else "") + "".join(f"    {k}: {v}\n" for k, v in body.items())
    return text


def valid_pipeline(rng, repo):
    """One that DVC takes, most of the time."""
    for _ in range(12):
        write(repo, {"dvc.yaml": random_pipeline(rng)})
        if repo.run("status").returncode == 0:
            return


@pytest.mark.parametrize("seed", SEEDS)
def test_random(home, seed, tmp_path):  # noqa: F811
    rng = random.Random(41000 + seed)
    repo = Repository(home / "repo")
    write(repo, {"params.yaml": random_params(rng), "other.yaml": random_params(rng), "p.json": '{"a": 1, "b": [1.0, "x"]}', "in": "1"})
    valid_pipeline(rng, repo)
    commits = 0
    for step in range(4):
        make(repo)
        if step == 0 or rng.random() < 0.3:
            dvc(repo, "commit", "-f")  # (where a parameter is missing, it does not)
            repo.git("add", "-A")
            repo.git("commit", "-qm", ".", "--allow-empty")
            commits += 1
        same(repo, "status", "--json")
        kind = rng.choice(["params", "params", "other", "pipeline", "lose", "json", "lock", "edit"])
        if kind == "params":
            lines = (repo.path / "params.yaml").read_text().splitlines() if (repo.path / "params.yaml").exists() else []
            rng.shuffle(lines)
            fresh = {line.split(":")[0]: line for line in [*lines[rng.randint(0, 1):], *random_params(rng).splitlines()[:2]]}
            write(repo, {"params.yaml": "".join(f"{line}\n" for line in fresh.values()) if rng.random() < 0.9 else None})
        elif kind == "other":
            write(repo, {"other.yaml": random_params(rng) if rng.random() < 0.8 else None})
        elif kind == "pipeline":
            valid_pipeline(rng, repo)
        elif kind == "json":
            write(repo, {"p.json": rng.choice(['{"a": true, "b": [1, "x"]}', '{"c": NaN}', "{}", None, '{"a": 1e400}'])})
        elif kind == "lock":
            write(repo, {"dvc.lock": None})
        elif kind == "edit":
            text = (repo.path / "dvc.yaml").read_text()
            write(repo, {"dvc.yaml": text.replace(*rng.choice([("run ", "go "), ("cache: false", "cache: true"), ("in]", "in2]"), ("[1, 2]", "[2, 3]")]))})
        elif kind == "lose":
            for path in list((repo.path / "out").rglob("*") if (repo.path / "out").exists() else []):
                if path.is_file() and rng.random() < 0.5:
                    path.unlink()
        found = same(repo, "status", "--json")
        same(repo, "status")
        named = sorted(n for n in found if "\\" not in n) if found else []  # (which DVC takes for a slash)
        for target in rng.sample(named, min(2, len(named))):
            same(repo, "status", "--json", target)
            same(repo, "status", target.split("@")[0])
    same(repo, "list", ".", "-R", "--dvc-only", "--json")
    same(repo, "diff", "--json")
    if commits > 1:  # what templates were then
        same(repo, "diff", "--json", "HEAD~1", "HEAD")
        same(repo, "list", ".", "-R", "--dvc-only", "--json", "--rev", "HEAD~1")


# ---- parameter files ----

PROBE = pathlib.Path(OPIS).parent / "tests/unit/data/value_probe"
WORDS = {
    "a.yaml": ["a", "b: ", "- ", "\n", "  ", "1", "0x1F", "1_0", "'q'", '"\\u00e9"', "[1, ", "]", "{", "}", "&x ", "*x", "<<: ", "~", ".5e-3", "1e3", "0.1", "# c", ": ", "| \n  t", "é", "-.inf", "true", "0o7", "_1", "1.", "._", "-_", "+1.e+1", "1__2", "0b", "-0", ".e5", "=", "? "],
    "a.json": ["{", "}", "[", "]", ",", ":", '"a"', '"b": ', "1", "-0", "1.5e3", "true", "null", "NaN", "-Infinity", " ", "\n", '"\\ud83d\\ude00"', '"\\ud83d"', "01", "1.", ".5", "99999999999999999999", "1e400", '"\t"', "\\"],
    "a.toml": ["a = ", "b.c = ", "1", "\n", "[t]\n", "[[u]]\n", "[a.d]\n", '"s"', "'l'", '"""m"""', "0x1_F", "1_000", "+1", "1.5", "[1, 2]", "{ x = 1 }", "inf", "true", "# c\n", '"\\n\\u00e9"', "\"k\" = ", "01", "1.", "_1", ",", "]", "= ", "-nan", "1e5"],
    "a.py": ["a = ", "b: int = ", "1", "\n", "    ", "class C:\n", "def __init__(self):\n", "self.x = ", "'s'", '"t"', "[1, ", "]", "(1, ", ")", "{'k': ", "}", "None", "-", "2.5", "f()", " + ", "if a:\n", "else:", "# c\n", "; ", "'''m\n'''", "r'\\n'", "x", ", ", " = ", "\\\n", "True", "0x1F"],
}


def plain(value):
    """Without keys that are no strings, whose order in JSON is that of numbers."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and plain(v) for k, v in value.items())
    return all(map(plain, value)) if isinstance(value, (list, tuple)) else True


def python_says(parse, text, name):
    try:
        value = parse(text, name)
    except Exception:
        return "broken"
    try:
        return json.dumps(value, sort_keys=True) if plain(value) else None
    except TypeError:
        return None  # sets, bytes, dates


@pytest.mark.parametrize("name", WORDS)
def test_readers(home, name):  # noqa: F811
    """Words in random order: what Python's readers take of them, opis takes as the same; where they stop, it stops, but for Python, whose grammar it does not know, and YAML, where parsers differ."""
    from dvc.utils.serialize import PARSERS

    rng = random.Random(FIRST)
    texts = ["".join(rng.choice(WORDS[name]) for _ in range(rng.randint(1, 9))) for _ in range(200 * len(SEEDS))]
    texts += {"a.toml": [TOML], "a.py": [PYTHON]}.get(name, [])
    answers = subprocess.run([PROBE], input=json.dumps([[name, t] for t in texts]).encode(), stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    read = 0
    for text, answer in zip(texts, answers, strict=True):
        wanted = python_says(PARSERS[pathlib.Path(name).suffix], text, name)
        if wanted is None or answer == "unsupported" or (wanted == "broken" and name == "a.py") or ("broken" in (wanted, answer) and name == "a.yaml"):
            continue
        read += wanted not in ("broken", "{}")
        assert answer == wanted, f"{text!r}: opis {answer}, Python {wanted}"
    assert read > 0
