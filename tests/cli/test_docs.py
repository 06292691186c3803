"""What README and the tables promise."""
import pathlib
import re

import pytest
from conftest import run

ROOT = pathlib.Path(__file__).parents[2]


def test_readme_shows_what_make_run_prints():
    photos = sorted(p.relative_to(ROOT) for p in (ROOT / "examples").glob("*.jpg"))
    printed = run("describe", *photos, cwd=ROOT).out
    for readme in ("README.md", "README.ru.md"):
        assert printed in (ROOT / readme).read_text()


@pytest.mark.parametrize("page", sorted(p.relative_to(ROOT) for p in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "models").glob("*.md")]))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


def commands():
    names = re.findall(r"^  (\w+)  ", run("help").out, re.M)
    for name in names:
        yield name
        help_text = run("help", name).out
        if "\nCommands:" in help_text:
            yield from (f"{name} {sub}" for sub in re.findall(r"^  (\w+)  ", help_text.split("\nCommands:")[1].split("\nOptions:")[0], re.M))


@pytest.mark.parametrize("name", list(commands()))
def test_every_command_has_help_and_a_manual_page(name):
    assert run(*name.split(), "--help").out.startswith(f"Usage: opis {name}")
    assert f".Nm opis-{name.replace(' ', '-')}" in run("help", "--man", *name.split()).out
    build = (ROOT / "src" / "cli" / "meson.build").read_text()
    assert f"'{name}'" in build.split("cli_command_names")[1]


@pytest.mark.parametrize("args, status", [([], 2), (["no-such-command"], 2), (["help"], 0), (["--version"], 0), (["version"], 0), (["model", "info", "nothing"], 3)])
def test_exit_statuses(args, status):
    assert run(*args).status == status
