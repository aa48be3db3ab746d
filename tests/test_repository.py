"""The files around the course agree: versions, requirements, workflows, citation, changelog, what the README promises."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import nbformat
import pytest
from conftest import ROOT

import start

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def load_yaml(path):
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(path)


@pytest.mark.parametrize(
    ("schema", "files"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.citation-file-format", [ROOT / "CITATION.cff"])],
)
def test_a_file_follows_its_schema(schema, files):
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_the_same_everywhere():
    released = re.search(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), flags=re.M)
    citation = load_yaml(ROOT / "CITATION.cff")
    assert released[1] == citation["version"] == PROJECT["version"]
    assert released[2] == citation["date-released"]


def test_the_changelog_is_in_the_format_it_names():
    text = read("CHANGELOG.md")
    headings = re.findall(r"^## (.*)$", text, flags=re.M)
    assert all(re.fullmatch(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, flags=re.M)) <= kinds


def test_the_supported_pythons_are_the_same_everywhere():
    assert PROJECT["requires-python"] == f">={start.PYTHONS[0]}"
    assert f"You need {start.needed()}," in " ".join(read("README.md").split())
    for path in WORKFLOWS:
        for job in load_yaml(path)["jobs"].values():
            if "strategy" in job:  # publishing needs one version only
                assert job["strategy"]["matrix"]["python"] == [start.PYTHONS[0], start.PYTHONS[-1]]


def test_workflows_run_what_the_readme_says():
    """Nothing but its commands, apart from the system packages it names; actions are pinned by major version."""
    for path in WORKFLOWS:
        for job in load_yaml(path)["jobs"].values():
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
                elif "sudo " not in step["run"]:
                    command = re.sub(r"^python start", "python3 start", step["run"])
                    assert f"    {command}\n" in read("README.md") or f"`{command}" in read("README.md"), command


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_commands_and_links_in_the_guides_exist(name, monkeypatch):
    text = read(name)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target
    for path in re.findall(r"(?:tools|notebooks|solutions|tests|benchmarks)/[\w/]+(?:\.\w+)?", text):
        assert "NN" in path or (ROOT / path).exists(), path
    commands = [line.split(" start.py")[1].split() for line in re.findall(r"python3 start\.py[^`\n]*", text)]
    assert len(commands) >= 5
    # what each command would do is replaced; only its arguments are read
    for function in ("lab", "test", "test_on_other_tweets", "ready", "doctor"):
        monkeypatch.setattr(start, function, lambda *args, **kwargs: "python")
    monkeypatch.setattr(start, "call", lambda command, **kwargs: 0)
    for arguments in commands:
        start.main([argument for argument in arguments if argument not in ("[00", "03", "...]")])


def test_what_learners_install_has_no_tools():
    """Each package is pinned once, and each range of pyproject.toml has its pin."""
    pins = {}
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = read(name).splitlines()
        pins[name] = [line.split("==")[0] for line in lines if "==" in line]
        assert all("==" in line or line.startswith(("#", "-r ", "-e ")) for line in lines)
    learners, dev = pins.values()
    assert not set(learners) & set(dev)
    assert not {"hypothesis", "nbgrader", "playwright", "ruff"} & set(learners)
    ranges = [*PROJECT["dependencies"], *itertools.chain(*PROJECT["optional-dependencies"].values())]
    assert {re.split("[>=]", wanted)[0] for wanted in ranges} <= {*learners, *dev}
    assert "-r requirements.txt" in read("requirements-dev.txt").splitlines()


def imported(source):
    """The top-level modules that a cell or a file imports."""
    lines = (re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in source.splitlines())
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_what_lessons_import_is_pinned():
    """Also what comes with a different package today, and may not tomorrow."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "transfer_learning").rglob("*.py")]
    for path in [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "solutions").glob("*/*.ipynb")]:
        sources += [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    names = set(itertools.chain(*map(imported, sources)))
    ours = {"transfer_learning", "exact", "google"}  # lesson 13 writes exact.py; google.colab is there on Colab only
    packages = packages_distributions()
    pins = {canonical(line.split("==")[0]) for line in read("requirements.txt").splitlines() if "==" in line}
    missing = {
        name
        for name in names - ours - sys.stdlib_module_names
        if not {canonical(package) for package in packages.get(name, ())} & pins
    }
    assert not missing


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()
