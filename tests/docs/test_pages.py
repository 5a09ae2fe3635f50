"""What the pages say exists: links, commands, options, targets, settings, metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from facestats_cli.main import installed_commands
from facestats_gateway.metrics import Metrics
from facestats_gateway.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "client" / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*/*.md")]
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def commands() -> dict[str, set[str]]:
    """Every command with its options."""
    return {
        name: {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for name, command in installed_commands().items()
    }


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text)
    targets += re.findall(r'src="([^"]+)"', text)
    for target in targets:
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(file.read_text("utf-8")), f"{target}: no such heading"


def anchors(text: str) -> set[str]:
    """The fragments GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_reachable_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/([a-z-]+\.md)", (ROOT / "README.md").read_text("utf-8")))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_options_exist(page: Path, commands: dict[str, set[str]]) -> None:
    text = page.read_text("utf-8").replace("\\\n", " ")
    # Commands stand in code only, and end with it.
    for code in [*re.findall(r"^ *```(?:sh|bash)\n(.*?)^ *```$", text, re.M | re.S), *re.findall(r"`([^`\n]+)`", text)]:
        for name, rest in re.findall(r"(?:^|[\s/&|;])facestats (?!-)([a-z]+)([^\n|;&]*)", " " + code):
            assert name in commands, f"facestats {name}"
            unknown = set(re.findall(r"(?<=\s)(--[a-z-]+)", rest)) - commands[name] - {"--help"}
            assert not unknown, f"facestats {name} {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    said = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE))
    assert said - targets == set()


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "operations.md"], ids=named)
def test_settings_exist(page: Path) -> None:
    of_the_command = {"URL", "API_KEY", "REGRESSOR", "WEIGHTS"}
    said = set(re.findall(r"FACESTATS_([A-Z_]+)", page.read_text("utf-8")))
    assert said - {name.upper() for name in Settings.model_fields} - of_the_command == set()


def test_readme_shows_the_defaults_there_are() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for name, default in re.findall(r"^\| `FACESTATS_([A-Z_]+)` \| `([^`]+)` \|", text, re.MULTILINE):
        assert str(Settings.model_fields[name.lower()].default).removesuffix(".0") == default, name


def test_operations_page_lists_the_gateway_s_metrics() -> None:
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = text.partition("<!-- gateway metrics -->")[2].partition("<!-- end of gateway metrics -->")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    families = text_string_to_metric_families(Metrics().exposition().decode())
    ours = {family.name: family.type for family in families if family.name.startswith("facestats_")}
    names = {name + ("_total" if kind == "counter" else "") for name, kind in ours.items()}
    assert listed == names


def test_help_lists_every_target_that_is_described() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    declared = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())  # type: ignore[index]
    described = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert {"help", "setup", "serve", "score", "test", "test-fast", "lint"} <= described
    assert described <= declared
