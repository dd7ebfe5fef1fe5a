"""Reports on build servers: JUnit properties, Markdown, annotations, pytest-html, and the recipes in examples/ci."""

from __future__ import annotations

import json
import re
import shlex
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings, strategies as st
from markdown_it import MarkdownIt

from pytest_vmaf.json_shapes import conform
from pytest_vmaf.report import document as documents, github as ci, markdown, schema
from pytest_vmaf.testrun import third_party

EXAMPLES = Path(__file__).parents[2] / "examples" / "ci"

#: Any text, and text made of what Markdown, HTML and GitHub read as something.
PIECES = ["|", "`", "``", "[", "](", "![x](http://e)", "<script>", "</td>", "</code>", "<!--", "-->", "&lt;", "&#124;"]
PIECES += ["\\", "\n", "\r", "\r\n\r\n", "# ", "- ", "*", "_", "~~", "@you", "a@b.example", "#1", "GH-1", ":x:", "$x$"]
PIECES += ["www.example.com", "https://example.com", "javascript:alert(1)", "\x1b[31m", "\0", "\ud800", "\u202e", "é"]
PIECES += ["::", "%0A", "::error::", "##[error]", ",line=1", " ", "x"]
nasty = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=20).map("".join))

EMPTY: dict[Any, Any] = {str: "", int: 0, bool: False}
PROVENANCE = {name: EMPTY[shape] for name, shape in schema.PROVENANCE.items() if isinstance(shape, type)}
PROVENANCE |= {"notes": [], "filters": {"reference": "", "distorted": ""}}


def gate(name: str = "min_neg", margin: float = -0.71, **more: Any) -> dict[str, Any]:
    metric = name if name == "above_100" else name.split("_")[1]
    values = {"metric": metric, "pool": "mean", "bound": name[:3] if metric != name else "max", "value": 93 + margin}
    return {"name": name, "limit": 93.0, "origin": "call", **values, "margin": margin, "passed": margin >= 0, **more}


def measurement(*gates: dict[str, Any], **more: Any) -> dict[str, Any]:
    failed = any(not each["passed"] for each in gates)
    return {
        "schema": 1,
        "started": 1_800_000_000.5,
        "status": "failed" if failed else "passed",
        "reference": "clips/ref.mkv",
        "distorted": "out/crf23.mp4",
        "vmaf": 99.98,
        "neg": 92.29,
        "gap": 7.69,
        "above_100": 3,
        "gates": list(gates),
        "provenance": {**PROVENANCE, "model": "vmaf_v0.6.1", "neg_model": "vmaf_v0.6.1neg"},
        **more,
    }


def unmeasured(error: str = "ClipError: out.mp4 does not exist.") -> dict[str, Any]:
    names = {"reference": "ref.mkv", "distorted": "out.mp4", "error": error}
    return {
        "schema": 1,
        "started": 1.8e9,
        "status": "error",
        **names,
        "gates": [{"name": "min_neg", "limit": 93.0, "origin": "call"}],
    }


def a_test(test_id: str = "tests/test_x.py::test_x", status: str = "failed", **more: Any) -> dict[str, Any]:
    return {
        "id": test_id,
        "status": status,
        "message": "pytest_vmaf.GateViolation: NEG 92.290 < 93 (1 of 1 gates failed)\n  min_neg: missed by 0.71",
        "duration": 1.0,
        "worker": "",
        "run": 0,
        "file": "tests/test_x.py",
        "line": 12,
        "measurements": [measurement(gate())],
        "earlier": [],
        "sections": [],
        **more,
    }


def document(*tests: dict[str, Any], left_out: tuple[str, ...] = (), **run: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("name", "why", "command", "created", "python", "platform", "pytest", "pytest_vmaf"), "")
    numbers = {"ended": "finished", "exit": 1, "duration": 1.0, "gates": [], "ran": len(tests)}
    numbers |= {"planned": len(tests), "not_collected": 0}
    merged = documents.merge([])
    made = {**merged, "runs": [{**texts, **numbers, **run}], "tests": list(tests), "left_out": list(left_out)}
    conform(made, schema.DOCUMENT)
    return made


class Page(HTMLParser):
    """The rendered summary: which tags it has, with which attributes, and the texts of the table's rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.comments: list[str] = []
        self.lists = 0
        self._open = False
        html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.lists += tag in ("ul", "ol")
        self.attributes |= {f"{name}={value}" for name, value in attrs}
        if tag == "tr":
            self.rows.append([])
        self._open |= tag in ("td", "th")
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.rows[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


OURS = {"h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "span", "details", "summary", "ul", "li"}


def test_junit_properties() -> None:
    properties = third_party.junit_properties([measurement(gate(), gate("max_gap", 4.69))])
    assert properties == [
        ("vmaf.status", "failed"),
        ("vmaf.neg", "92.2900"),
        ("vmaf.default", "99.9800"),
        ("vmaf.gap", "7.6900"),
        ("vmaf.above_100", "3"),
        ("vmaf.margin", "-0.71 min_neg"),
        ("vmaf.reference", "clips/ref.mkv"),
        ("vmaf.distorted", "out/crf23.mp4"),
        ("vmaf.model", "vmaf_v0.6.1 / vmaf_v0.6.1neg"),
    ]


def test_junit_properties_of_several() -> None:
    properties = dict(third_party.junit_properties([measurement(), unmeasured()]))
    assert properties["vmaf.1.neg"] == "92.2900"
    assert properties["vmaf.2.status"] == "error"
    assert "vmaf.2.neg" not in properties
    many = dict(third_party.junit_properties([measurement()] * 25))
    assert "vmaf.20.neg" in many
    assert "vmaf.21.neg" not in many
    assert many["vmaf.left_out"].startswith("5 more measurements")
    assert "vmaf.left_out" not in dict(third_party.junit_properties([measurement()] * 20))
    assert third_party.junit_properties([]) == []


@settings(deadline=None)
@given(nasty)
def test_junit_properties_in_xml(name: str) -> None:
    for key, value in third_party.junit_properties([measurement(gate(), distorted=name, reference=name)]):
        assert type(key) is type(value) is str
        element = ElementTree.Element("property", {key: value})
        assert ElementTree.fromstring(ElementTree.tostring(element, "utf-8")).get(key) == value


@pytest.mark.parametrize(
    ("made", "margin"),
    [
        (gate("min_neg", -0.714), "-0.71 min_neg"),
        (gate("min_neg", -0.0001), "-0.0001 min_neg"),
        (gate("min_neg", 0.0), "+0.00 min_neg"),
        (gate("above_100", -115.0), "-115 above_100"),
    ],
)
def test_margin(made: dict[str, Any], margin: str) -> None:
    assert dict(third_party.junit_properties([measurement(made)]))["vmaf.margin"] == margin


def test_markdown() -> None:
    fine = a_test("tests/test_x.py::test_fine", "passed", message="", measurements=[measurement(gate(margin=2.0))])
    several = a_test("tests/test_x.py::test_two", measurements=[measurement(), measurement(gate(margin=-4.0))])
    again = {key: a_test()[key] for key in schema.ATTEMPT if key in a_test()}
    flaky = a_test(
        "tests/test_x.py::test_flaky", "passed", earlier=[again], measurements=[measurement(gate(margin=1.0))]
    )
    lost = a_test("tests/test_x.py::test_lost", "error", measurements=[unmeasured()], message="ClipError: gone.")
    crashed = a_test("tests/test_x.py::test_crashed", "error", measurements=[], message="")
    text = markdown.markdown(document(fine, several, flaky, lost, crashed, left_out=("Some pictures were left out.",)))
    assert text.startswith("## ⚠ VMAF: 1 of 5 tests failed and 2 could not be measured\n")
    rows = Page(text).rows
    names = [row[1].partition("::")[2] for row in rows[1:]]
    assert sorted(names[:2]) == ["test_crashed", "test_lost"]
    assert names[2:] == ["test_two", "test_flaky", "test_fine"]
    assert rows[0] == ["", "Test", "Clip", "NEG", "VMAF", "Gap", "Smallest margin"]
    two = ["✘ failed", "tests/test_x.py::test_two", "crf23.mp4 (worst of 2)", "92.29", "99.98", "7.69", "-4.00 min_neg"]
    assert rows[3] == two
    assert rows[4][0] == "✔ passed (attempt 2)"
    assert sorted(rows[1:3], key=lambda row: row[1]) == [
        ["⚠ error", "tests/test_x.py::test_crashed", "–", "–", "–", "–", "–"],
        ["⚠ error", "tests/test_x.py::test_lost", "out.mp4", "–", "–", "–", "–"],
    ]
    assert "<code>ClipError&#58; gone.</code>" in text
    assert "No message." in text
    assert "- Note: Some pictures were left out." in text


def test_markdown_of_builds() -> None:
    """The second line has branch, commit and a link."""
    build = {"branch": "fix|<b>", "commit": "3f9c2e1aa0bb", "build": "CI 7](x)", "url": "https://ci.example/a_(b)/7"}
    line = markdown.markdown(document(a_test(), **build)).splitlines()[2]
    link = "[CI 7&#93;(x)](https://ci.example/a_%28b%29/7)"
    assert line == f"<code>fix&#124;&#60;b&#62;</code> @ <code>3f9c2e1aa0</code> · {link}"
    line = markdown.markdown(document(a_test(), **{**build, "url": "javascript:alert(1)", "branch": ""})).splitlines()[
        2
    ]
    assert line == "<code>3f9c2e1aa0</code> · CI 7&#93;(x)"


def test_markdown_of_stopped_run() -> None:
    good = a_test(status="passed", measurements=[measurement(gate(margin=1.0))])
    assert markdown.markdown(document(good)).startswith("## ✔ VMAF: The test passed\n")
    stopped = markdown.markdown(document(good, ended="interrupted", why="stopping after 1 failures"))
    assert stopped.startswith("## ⚠ VMAF: ")
    assert "stopped before its end" in stopped
    assert markdown.markdown(document()).startswith("## ⚠ VMAF: Nothing was measured")


def test_markdown_of_shards() -> None:
    shards = [document(a_test()), document(a_test())]
    rows = Page(markdown.markdown(documents.merge(shards, ["linux", "mac|os"]))).rows
    assert {row[1] for row in rows[1:]} == {"tests/test_x.py::test_x linux", "tests/test_x.py::test_x mac|os"}


def test_markdown_of_many_tests() -> None:
    text = markdown.markdown(document(*(a_test(f"test_x.py::test_{number}") for number in range(60))))
    assert len(Page(text).rows) == 51
    assert "10 more tests with better results" in text
    assert len(text) <= markdown.MOST_CHARACTERS
    hostile = document(*(a_test("😀" * 1000 + str(number), message="😀" * 5000) for number in range(60)))
    assert len(markdown.markdown(hostile)) <= markdown.MOST_CHARACTERS
    assert len(Page(markdown.markdown(hostile)).rows) > 10


@settings(deadline=None)
@given(test_id=nasty, message=nasty, clip=nasty)
@example(test_id="- - -", message="- - -", clip="- - -")
@example(test_id="1. x", message="1) x", clip="+ x")
def test_markdown_escapes(test_id: str, message: str, clip: str) -> None:
    made = document(
        a_test(test_id, message=message, measurements=[measurement(gate(), distorted=clip)]),
        left_out=(message,),
        ended="interrupted",
        why=message,
    )
    text = markdown.markdown(made)
    page = Page(text)
    assert [len(row) for row in page.rows] == [7, 7]
    assert page.tags <= OURS
    assert page.lists == 2
    assert page.attributes <= {"style=text-align:right"}
    assert not page.comments
    assert text.count("\n| ") == 2
    # Neither a mail address nor a mention: no @ has anything beside it. Links need their colon or dot as it is.
    bare = re.sub(r"<span>&#64;</span>|&#64;&#8203;|&#64;(?=[\s<]|$)", "", text)
    assert "@" not in bare
    assert "&#64;" not in bare
    assert not re.search(r"://|(?i:www)\.", text)
    assert all(character == "\n" or character.isprintable() for character in text)


@pytest.mark.parametrize("name", ["x[|</td><script>]", "![x](http://e)", "a`b", "@someone", "x\\|y", "#12", "a<!--b"])
def test_markdown_names(name: str) -> None:
    rows = Page(markdown.markdown(document(a_test(f"test_x.py::{name}")))).rows
    assert rows[1][1] == f"test_x.py::{name}"


def test_step_summary(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    made = document(a_test())
    markdown.step_summary(summary, made)
    assert summary.read_text("utf-8") == markdown.markdown(made)
    markdown.step_summary(summary, made)
    assert summary.read_text("utf-8") == f"{markdown.markdown(made)}\n{markdown.markdown(made)}"


def test_step_summary_size(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    made = document(*(a_test(f"test_x.py::test_{number}") for number in range(50)))
    long = len(markdown.markdown(made).encode()) + 1
    summary.write_bytes(b"x" * (markdown.MOST_BYTES - long))
    markdown.step_summary(summary, made)
    assert summary.stat().st_size == markdown.MOST_BYTES
    summary.write_bytes(b"x" * (markdown.MOST_BYTES - long + 1))
    markdown.step_summary(summary, made)
    written = summary.read_text("utf-8").lstrip("x")
    assert "50 of 50 tests failed" in written
    assert "The table was left out" in written
    assert "| Test |" not in written
    summary.write_bytes(b"x" * (markdown.MOST_BYTES - 10))
    with pytest.raises(OSError, match="GitHub drops the whole summary beyond 1024 KiB"):
        markdown.step_summary(summary, made)
    assert summary.stat().st_size == markdown.MOST_BYTES - 10


def test_annotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    fine = a_test(status="passed", measurements=[measurement(gate(margin=1.0))])
    assert ci.error_commands(document(fine, a_test("tests/test_x.py::test_x[a,b:c%]")), tmp_path / "sub") == [
        "::error file=sub/tests/test_x.py,line=12,title=VMAF%3A test_x[a%2Cb%3Ac%25] failed::"
        "pytest_vmaf.GateViolation: NEG 92.290 < 93 (1 of 1 gates failed)"
        "%0Acrf23.mp4: NEG 92.29, VMAF 99.98, gap 7.69, 3 frames above 100; smallest margin -0.71 min_neg"
    ]


def test_caught_failure(tmp_path: Path) -> None:
    made = document(a_test("tests/test_x.py::test_a", "passed", message=""))
    text = markdown.markdown(made)
    assert text.startswith("## ✘ VMAF: The test passed, but a gate failed inside it\n")
    assert "✔ passed, but ✘ a gate failed in it" in text
    assert (
        "A gate failed in this test, and the test caught the error&#58; NEG 92.29 where at least 93 is required" in text
    )
    [command] = ci.error_commands(made, tmp_path)
    start = "::warning file=tests/test_x.py,line=12,title=VMAF%3A test_a passed::"
    assert command.startswith(f"{start}A gate failed in this test, and the test caught")


def test_annotation_outside_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "workspace"))
    for file in ("tests/test_x.py", "../else/test_x.py", None, "\0"):
        (line,) = ci.error_commands(document(a_test(file=file, line=None)), tmp_path / "elsewhere")
        assert line.startswith("::error title=")
    monkeypatch.delenv("GITHUB_WORKSPACE")
    (line,) = ci.error_commands(document(a_test(line=None)), tmp_path)
    assert line.startswith("::error file=tests/test_x.py,title=")


def test_annotation_in_linked_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    except OSError:
        pytest.skip("this system lets no links be made")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "link"))
    (line,) = ci.error_commands(document(a_test()), tmp_path / "real")
    assert line.startswith("::error file=tests/test_x.py,")


def test_annotation_limit(tmp_path: Path) -> None:
    lines = ci.error_commands(document(*(a_test(f"test_x.py::test_{number}") for number in range(12))), tmp_path)
    assert len(lines) == 11
    assert lines[-1].startswith("::notice::2 more VMAF tests are not shown")
    assert len(ci.error_commands(document(*[a_test()] * 10), tmp_path)) == 10


@settings(deadline=None)
@given(test_id=nasty, message=nasty, clip=nasty, file=nasty)
def test_annotation_escapes(test_id: str, message: str, clip: str, file: str) -> None:
    record = measurement(gate(), distorted=clip)
    (line,) = ci.error_commands(
        document(a_test(test_id, message=message, file=file, measurements=[record])), Path("/x")
    )
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert len(line) < 6000
    # As the runner takes it apart: a command, properties between commas, then the message.
    properties, _, data = line.removeprefix("::error ").partition("::")
    names = [each.partition("=")[0] for each in properties.split(",")]
    assert names in (["title"], ["file", "line", "title"])
    assert not re.search(r"%(?!25|0A)", data)


def config(tmp_path: Path, page: str | None = "out/page.html", plugins: tuple[str, ...] = ("html",)) -> Any:
    return SimpleNamespace(
        getoption=lambda name, default=None: page if name == "htmlpath" else default,
        pluginmanager=SimpleNamespace(hasplugin=plugins.__contains__),
        invocation_params=SimpleNamespace(dir=tmp_path),
    )


def test_pytest_html(tmp_path: Path) -> None:
    report = SimpleNamespace(nodeid="test_x.py::test_x", extras=[{"name": "mine"}])
    record = measurement(gate(), distorted="</pre><script>.mp4")
    third_party.to_pytest_html(config(tmp_path), report, [record], tmp_path / "vmaf report" / "a&b.html")
    mine, numbers, link = report.extras
    assert mine == {"name": "mine"}
    assert numbers["content"] == (
        "<pre>pre&gt;&lt;script&gt;.mp4: NEG 92.29, VMAF 99.98, gap 7.69, 3 frames above 100; "
        "smallest margin -0.71 min_neg</pre>"
    )
    assert (link["format_type"], link["name"], link["content"]) == ("url", "VMAF report", "../vmaf%20report/a%26b.html")
    assert json.loads(json.dumps(report.extras)) == report.extras


def test_pytest_html_unused(tmp_path: Path) -> None:
    report = SimpleNamespace(nodeid="test_x.py::test_x")
    third_party.to_pytest_html(config(tmp_path, page=None), report, [measurement()], None)
    third_party.to_pytest_html(config(tmp_path, plugins=()), report, [measurement()], None)
    third_party.to_pytest_html(config(tmp_path), report, [], None)
    # pytest-html would end the run at such an id.
    third_party.to_pytest_html(config(tmp_path), SimpleNamespace(nodeid="test\\x.py::test_x"), [measurement()], None)
    third_party.to_allure(config(tmp_path), [measurement()], None)
    assert not hasattr(report, "extras")


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_recipes(name: str) -> None:
    yaml = pytest.importorskip("yaml", reason="pip install pyyaml to have the recipes parsed")
    text = (EXAMPLES / name).read_text("utf-8")
    recipe = yaml.safe_load(text)
    assert "secrets." not in text
    if name.startswith("github"):
        assert recipe["permissions"] == {"contents": "read"}
        uses = [step["uses"] for job in recipe["jobs"].values() for step in job["steps"] if "uses" in step]
        assert uses
        assert all(re.fullmatch(r"actions/[\w/-]+@v\d+", each) for each in uses)
    else:
        assert recipe["vmaf"]["artifacts"]["when"] == "always"
        assert recipe["vmaf"]["artifacts"]["reports"]["junit"]


def hyphenless(option: str) -> str:
    """pytest takes --junitxml for --junit-xml, and shows the latter."""
    return option.replace("-", "")


@pytest.mark.slow
def test_options_of_recipes(pytester: pytest.Pytester) -> None:
    helps = {
        "pytest": pytester.runpytest_subprocess("--help", "-p", "no:cacheprovider").stdout.str(),
        "pytest-vmaf report": pytester.run(sys.executable, "-m", "pytest_vmaf", "report", "--help").stdout.str(),
    }
    known = {command: re.findall(r"(?<![\w-])--?\w[\w-]*", text) for command, text in helps.items()}
    seen = dict.fromkeys(known, 0)
    for path in EXAMPLES.iterdir():
        joined = re.sub(r"(?: \\)?\n\s+(?=--)", " ", path.read_text("utf-8"))
        for command in known:
            for line in re.findall(rf"(?m)(?<![\w./-]){command} +([^\n`]*)", joined):
                options = [word.partition("=")[0] for word in shlex.split(line) if word.startswith("-")]
                for option in options:
                    assert hyphenless(option) in map(hyphenless, known[command]), f"{path.name}: {command} {option}"
                seen[command] += len(options)
    assert all(seen.values())
