"""dvc.yaml as opis data reads it: templates, loops, parameters, and what is said where they are wrong. That DVC says the same, tests/interop/test_pipelines.py tells."""
import json
import time

import pytest

MD5 = {"1": "c4ca4238a0b923820dcc509a6f75849b"}


def write(repo, pipeline, lock=None, **files):
    names = {k.replace("__", "/").replace("_", "."): v for k, v in files.items()}
    repo.write({"dvc.yaml": pipeline.encode(), **{k: v.encode() for k, v in names.items()}})
    if lock is not None:
        repo.write({"dvc.lock": ("schema: '2.0'\nstages:\n" + "".join(f"  {name}: {entry}\n" for name, entry in lock.items())).encode()})


def status(repo, *args):
    return json.loads(repo.ok("status", "--json", *args))


def entry(cmd, out=None, params=None):
    """dvc.lock's entry of a stage whose output has the content "1"."""
    outs = [{"path": out, "hash": "md5", "md5": MD5["1"], "size": 1}] if out else []
    return json.dumps({"cmd": cmd, **({"outs": outs} if outs else {}), **({"params": params} if params else {})})


def names(repo):
    return sorted(status(repo))


def changed(repo, stage="s"):
    """A stage's "changed deps", and whether its command has changed."""
    entries = status(repo).get(stage, [])
    return next((e["changed deps"] for e in entries if "changed deps" in e), {}), "changed command" in entries


def test_command_with_values_is_not_changed(repo):
    write(repo, "stages: {s: {cmd: 'train ${lr}', outs: [m]}}", {"s": entry("train 0.1", "m")}, params_yaml="lr: 0.1\n", m="1")
    assert status(repo) == {"s": [{"changed outs": {"m": "not in cache"}}]}
    write(repo, "stages: {s: {cmd: 'train ${lr}', outs: [m]}}", params_yaml="lr: 0.2\n")
    assert changed(repo)[1]


@pytest.mark.parametrize("written, locked, same", [("[a, b]", ["a", "b"], True), ("[a, b]", ["b", "a"], False), ("a", ["a"], False), ("[a]", ["a"], True), ("'a\n\n  b'", "a\nb", True)])
def test_command_lists_and_lines(repo, written, locked, same):
    write(repo, f"stages:\n  s:\n    cmd: {written}\n    outs: [o]\n", {"s": entry(locked, "o")})
    assert changed(repo)[1] != same


def test_stage_without_lock_has_no_changed_command(repo):
    write(repo, "stages: {s: {cmd: x, outs: [o]}}", {"other": entry("y")})
    assert status(repo) == {"s": [{"changed outs": {"o": "deleted"}}]}


@pytest.mark.parametrize("value, text", [("0x1F", "31"), ("0o17", "15"), ("0b11", "3"), ("1_000", "1000"), ("0123", "123"), ("1e3", "1000.0"), ("1.50", "1.5"), ("1e16", "1e+16"), ("1.5e-5", "1.5e-05"), (".inf", "inf"), ("-.inf", "-inf"), (".nan", "nan"),
                                         ("~", "None"), ("true", "true"), ("yes", "yes"), ("'1'", "1"), ("0xFFFFFFFFFFFFFFFFFFFF", "1208925819614629174706175"), ("-0.0", "-0.0"), ("1:30", "1:30"), ("é", "é")])
def test_values_in_text(repo, value, text):
    write(repo, "stages: {s: {cmd: 'x ${v}', outs: [o]}}", {"s": entry(f"x {text}", "o")}, params_yaml=f"v: {value}\n")
    assert not changed(repo)[1]


@pytest.mark.parametrize("expression, text", [("${a.b[0].c}", "7"), ("${ a.b[ 0 ] .c }", "7"), ("${a.b.0.c}", "7"), ("${a.b[-1]}", "end"), ("\\${a}", "${a}"), ("${a", "${a"), ("$a", "$a"), ("${d}", "--e 1 --f 'q q' w --h.i 2"), ("${s}", "${n}")])
def test_expressions(repo, expression, text):
    write(repo, f"stages: {{s: {{cmd: 'x {expression}', outs: [o]}}}}", {"s": entry(f"x {text}", "o")},
          params_yaml="a: {b: [{c: 7}, end]}\nd: {e: 1, f: [q q, w], g: false, h: {i: 2}, j: []}\ns: '${n}'\n")
    assert not changed(repo)[1], status(repo)


def test_options_as_configured(repo):
    repo.ok("config", "parsing.bool", "boolean_optional")
    repo.ok("config", "parsing.list", "append")
    write(repo, "stages: {s: {cmd: 'x ${d}', outs: [o]}}", {"s": entry("x --no-a --b 1 --b 2", "o")}, params_yaml="d: {a: false, b: [1, 2]}\n")
    assert not changed(repo)[1]


def test_foreach(repo):
    write(repo, "stages: {each: {foreach: [a, b, c], do: {cmd: 'x ${item}', outs: ['f-${item}']}}}", {f"each@{i}": entry(f"x {i}", f"f-{i}") for i in "ab"})
    assert status(repo)["each@c"] == [{"changed outs": {"f-c": "deleted"}}]
    assert "changed command" not in status(repo)["each@a"]
    assert set(status(repo, "each")) == {"each@a", "each@b", "each@c"} and set(status(repo, "each@b")) == {"each@b"}
    write(repo, "stages: {each: {foreach: '${m}', do: {cmd: 'x ${key} ${item.n}', outs: ['${key}/f']}}}", params_yaml="m: {p: {n: 1}, q: {n: 2}}\n")
    assert names(repo) == ["each@p", "each@q"]
    write(repo, "stages: {each: {foreach: [{n: 1}, {n: 2}], do: {cmd: 'x ${item.n}', outs: ['o${item.n}']}}}")
    assert names(repo) == ["each@0", "each@1"]
    write(repo, "stages: {each: {foreach: [], do: {cmd: x}}}")
    assert status(repo) == {} and status(repo, "each") == {} and status(repo, "dvc.yaml") == {}


def test_names_of_items(repo):
    write(repo, "vars: [{l: [true]}]\nstages: {a: {foreach: [true, 1.50, ~], do: {cmd: x}}, b: {foreach: '${l}', do: {cmd: x}}}")
    assert names(repo) == ["a@1.5", "a@None", "a@true", "b@True"]  # true as Python writes it where it comes from a file, as YAML does where it is written here


def test_matrix(repo):
    write(repo, "stages: {m: {matrix: {k: [a, {z: 1}], s: '${seeds}'}, cmd: 'x ${item.s}', outs: ['o-${key}']}}", params_yaml="seeds: [1, 2]\n")
    assert names(repo) == ["m@a-1", "m@a-2", "m@k1-1", "m@k1-2"]
    assert status(repo)["m@k1-2"] == [{"changed outs": {"o-k1-2": "deleted"}}]


def test_vars(repo):
    write(repo, "vars: ['a.yaml:x,y', b.json, {in: {p: 1}}]\nstages: {s: {vars: [c.toml, d.py], cmd: '${x} ${y} ${z[1]} ${in.p} ${in.q} ${t.u} ${C.v}', outs: [o]}}", {"s": entry("1 2 2.0 1 3 4 5", "o")},
          a_yaml="x: 1\ny: 2\nlr: 8\n", b_json='{"z": [1, 2.0], "in": {"q": 3}}', c_toml="[t]\nu = 4\n", d_py="class C:\n    v = 5\n", params_yaml="lr: 9\n")
    assert not changed(repo)[1], status(repo)


def test_stages_folder(repo):
    """vars and params of a stage are looked for where it works; those of the file beside it."""
    write(repo, "stages: {s: {wdir: '${d}', vars: [v.yaml], cmd: 'x ${q}', outs: ['${q}'], params: [k]}}", {"s": entry("x w", "w", {"params.yaml": {"k": 2}})}, params_yaml="d: sub\nk: 1\n", sub__params_yaml="k: 3\n", sub__v_yaml="q: w\n")
    assert status(repo) == {"s": [{"changed deps": {"sub/params.yaml": {"k": "modified"}}}, {"changed outs": {"sub/w": "not in cache"}}]}


def test_parameters(repo):
    pipeline = "stages: {s: {cmd: x, params: [a, b.c, b.d.0, e, {other.json: [k]}, {all.yaml: }], outs: [o]}}"
    locked = {"params.yaml": {"a": 1, "b.c": 2, "b.d.0": 3}, "other.json": {"k": [1]}, "all.yaml": {"x": 1, "y": 2}}
    write(repo, pipeline, {"s": entry("x", "o", locked)}, params_yaml="a: 1.0\nb: {c: 2, d: [3]}\n", other_json='{"k": [1]}', all_yaml="x: 1\ny: 2\n")
    assert changed(repo) == ({"params.yaml": {"e": "deleted"}}, False)
    write(repo, pipeline, params_yaml="a: 2\nb: {d: [4]}\ne: 1\n", other_json="{}", all_yaml="x: 1\nz: 2\n")
    assert changed(repo)[0] == {"params.yaml": {"a": "modified", "b.c": "deleted", "b.d.0": "modified", "e": "new"}, "other.json": {"k": "deleted"}, "all.yaml": {"z": "new", "y": "deleted"}}
    assert repo.ok("status").startswith("s:\n\tchanged deps:\n\t\tparams.yaml:\n\t\t\tmodified:           a\n\t\t\tdeleted:            b.c\n")
    (repo.path / "other.json").unlink()
    assert changed(repo)[0]["other.json"] == "deleted"
    write(repo, pipeline, {"s": entry("x", "o")})
    assert changed(repo)[0] == {"params.yaml": "new", "other.json": "deleted", "all.yaml": "new"}
    assert repo.run("status", "-q").returncode == 1


def test_parameters_in_toml_and_python(repo):
    write(repo, "stages: {s: {cmd: x, params: [{p.toml: [t.u]}, {p.py: [C.v, lr]}]}}", {"s": entry("x", None, {"p.toml": {"t.u": 1}, "p.py": {"C.v": [1, 2], "lr": 0.1}})}, p_toml="t = {u = 1}\n", p_py="lr = 1e-1\nclass C:\n  v = (1, 2)\n")
    assert status(repo) == {}
    write(repo, "stages: {s: {cmd: x, params: [{p.toml: [t.u]}, {p.py: [C.v, lr]}]}}", p_toml="t.u = 2\n", p_py="lr = f(1)\nclass C:\n  v = (1, 3)\n")
    assert changed(repo)[0] == {"p.toml": {"t.u": "modified"}, "p.py": {"C.v": "modified", "lr": "deleted"}}


def test_what_python_has_and_opis_not(repo):
    """A file that only Python can read is named, and nothing is said to have changed in it."""
    write(repo, "stages: {s: {cmd: x, params: [{p.py: [a]}]}, t: {cmd: x, params: [{p.py: [a]}]}}", {n: entry("x", None, {"p.py": {"a": 1}}) for n in "st"}, p_py="a = {1, 2}\n")
    done = repo.run("status", "--json")
    assert json.loads(done.stdout) == {} and done.stderr.decode().count("p.py: opis does not read sets of Python") == 1


def test_output_of_stale_lock_is_none(repo):
    write(repo, "stages: {s: {cmd: x, outs: [p]}}", {"s": entry("x", "o")})
    assert status(repo) == {"s": [{"changed outs": {"p": "deleted"}}]}
    assert [e["path"] for e in json.loads(repo.ok("list", ".", "--dvc-only", "--json"))] == ["p"]


def test_sections_are_no_stages(repo):
    write(repo, "params: [params.yaml]\nmetrics: [m.json]\nplots: [p.csv, {p: {x: a}}]\nartifacts: {m: {path: a, type: model}}\ndatasets: [{name: n, type: dvc, url: u, path: p}]\nstages: {s: {cmd: x, outs: [o]}}\n")
    assert names(repo) == ["s"]
    assert [e["path"] for e in json.loads(repo.ok("list", ".", "-R", "--dvc-only", "--json"))] == ["o"]


@pytest.mark.parametrize("pipeline, params, words", [
    ("stages: {s: {cmd: '${no}'}}", "", "stages.s.cmd: ${no}: no value for '${no}'"),
    ("stages: {s: {cmd: 'x ${}'}}", "", "is no expression"),
    ("stages: {s: {cmd: 'x ${a..b}'}}", "", "is no expression"),
    ("stages: {s: {cmd: x, outs: ['${l}']}}", "l: [1]\n", "stages.s.outs: ${l}: a list has no place there"),
    ("stages: {s: {cmd: x, outs: ['${n}']}}", "n: 5\n", "stages.s.outs: what is no string is no path"),
    ("stages: {s: {foreach: '${n}', do: {cmd: x}}}", "n: 5\n", "stages.s.foreach: a number"),
    ("stages: {s: {foreach: [a@b], do: {cmd: x}}}", "", "has an @ in it"),
    ("stages: {s: {foreach: [a], do: {cmd: x, vars: [{item: 1}]}}}", "", "'item' is what the loop goes through"),
    ("vars: [{a: 1}]\nstages: {s: {cmd: x}}", "a: 2\n", "dvc.yaml: vars[0]: 'a' has a value from elsewhere already"),
    ("vars: [none.yaml]\nstages: {s: {cmd: x}}", "", "none.yaml: there is no such file"),
    ("vars: ['params.yaml:b']\nstages: {s: {cmd: x}}", "a: 1\n", "is loaded already"),
    ("vars: [{a: '${b}'}]\nstages: {s: {cmd: x}}", "", "has no place in vars"),
    ("stages: {s: {cmd: x}}", "- a\n", "params.yaml: the file has a list"),
    ("stages: {s: {cmd: x}}", "a: [\n", "params.yaml: line"),
    ("stages: {s: {cmd: x}}", "a: 1\na: 2\n", "the key 'a' is there twice"),
    ("stages: {s: {cmd: x}}", "a: 2024-01-02\n", "a date is no value"),
    ("stages: {s: {outs: [o]}}", "", "no cmd"),
    ("stages: {s: {cmd: x, outs: o}}", "", "stages.s.outs: a string where a list should be"),
    ("plots: ['${no}']\nstages: {s: {cmd: x}}", "", "plots: ${no}: no value"),
])
def test_mistakes(repo, pipeline, params, words):
    write(repo, pipeline, params_yaml=params)
    assert words in repo.fails("status")


def test_a_mistake_holds_up_what_needs_it_alone(repo):
    repo.write({"data": b"1"})
    repo.ok("add", "data")
    write(repo, "stages: {bad: {cmd: '${no}', outs: [o]}, good: {cmd: x}, each: {foreach: ['${no}'], do: {cmd: x}}}")
    for target in ("data.dvc", "good", "dvc.yaml:good"):
        repo.ok("status", target)
    for target in ("bad", "each", "each@a", "data", "dvc.yaml"):
        assert "no value for '${no}'" in repo.fails("status", target)
    (repo.path / "data").unlink()
    repo.ok("checkout", "data.dvc")
    assert (repo.path / "data").read_bytes() == b"1"
    repo.fails("checkout")
    repo.fails("gc", "-w", "-f")


def test_commits_with_a_mistake_are_skipped(repo, tmp_path):
    repo.ok("remote", "add", "-d", "store", str(tmp_path / "store"))
    write(repo, "stages: {s: {cmd: '${no}'}}")
    bad = repo.commit()
    write(repo, "stages: {s: {cmd: x}}")
    repo.write({"data": b"1"})
    repo.ok("add", "data")
    repo.commit()
    done = repo.run("push", "-A")
    assert done.returncode == 0 and f"{bad[:8]}: skipped" in done.stderr.decode()
    assert any((tmp_path / "store").rglob(MD5["1"][2:]))
    assert "no value" in repo.fails("gc", "-A", "-f")


@pytest.mark.parametrize("lock, words", [
    ("", "schema: not '2.0'"), ("schema: '3.0'\nstages: {}\n", "schema: not '2.0'"), ("schema: 2.0\nstages: {}\n", "schema: not '2.0'"), ("schema: '2.0'\nstages: {s: {cmd: x}, s: {cmd: y}}\n", "stage 's' is there twice"),
    ("schema: '2.0'\nstages: {s: {}}\n", "s.cmd: no command"), ("schema: '2.0'\nstages: {s: {cmd: x, outs: [{md5: a}]}}\n", "s.outs: an entry without a path"), ("schema: '2.0'\nstages: {s: {cmd: x, params: {p: }}}\n", "s.params: a file without"),
])
def test_a_lock_that_is_not_understood(repo, lock, words):
    """gc above all must not take for unneeded what it names."""
    write(repo, "stages: {s: {cmd: x, outs: [o]}}")
    repo.write({"dvc.lock": lock.encode()})
    for args in (["status"], ["gc", "-w", "-f"]):
        assert words in repo.fails(*args)


def test_a_revisions_values_are_its_own(repo):
    write(repo, "stages: {s: {cmd: x, outs: ['${d}/m']}}", {"s": entry("x", "one/m")}, params_yaml="d: one\n")
    repo.commit()
    write(repo, "stages: {s: {cmd: x, outs: ['${d}/m']}}", {"s": entry("x", "two/m")}, params_yaml="d: two\n")
    assert [e["path"] for e in json.loads(repo.ok("list", ".", "-R", "--dvc-only", "--json"))] == ["two/m"]
    assert [e["path"] for e in json.loads(repo.ok("list", ".", "-R", "--dvc-only", "--json", "--rev", "HEAD"))] == ["one/m"]
    assert [e["path"] for e in json.loads(repo.ok("diff", "--json"))["deleted"]] == ["one/m"]


def test_checkout_of_what_never_ran(repo):
    write(repo, "stages: {s: {cmd: x, outs: [o]}}")
    assert "o (dvc.yaml, stage s): nothing is recorded of it" in repo.fails("checkout")
    repo.fails("checkout", "s")
    repo.ok("checkout", "--allow-missing")


def test_time_is_linear(repo):
    """Ten times the stages take some ten times the time, not a hundred times."""
    def seconds(n):
        write(repo, "stages: {each: {foreach: '${l}', do: {cmd: 'x ${item}', params: [lr], outs: ['out/${item}']}}}", {f"each@i{k}": entry(f"x i{k}", f"out/i{k}", {"params.yaml": {"lr": 1}}) for k in range(n)},
              params_yaml="lr: 1\nl: [" + ", ".join(f"i{k}" for k in range(n)) + "]\n")
        start = time.monotonic()
        assert len(status(repo)) == n
        return time.monotonic() - start

    seconds(100)
    few, many = min(seconds(400) for _ in range(2)), min(seconds(4000) for _ in range(2))
    assert many < 30 * few + 0.5, (few, many)
