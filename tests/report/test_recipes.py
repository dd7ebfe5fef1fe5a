"""The recipes for GitHub and GitLab keep one comment: they write the first, and edit it from then on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf.report.delta_page import MARKER

EXAMPLES = Path(__file__).parents[2] / "examples" / "ci"
OURS = {"id": 7, "user": {"login": "github-actions[bot]"}, "body": f"{MARKER}\nold"}
#: Comments of others, one of them with the marker.
OTHERS = [
    {"id": 5, "user": {"login": "mallory"}, "body": f"{MARKER}\nmine"},
    {"id": 6, "user": {"login": "github-actions[bot]"}, "body": "coverage"},
]


def recipe(name: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="pip install pyyaml to have the recipes parsed")
    parsed: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text("utf-8"))
    return parsed


@pytest.mark.skipif(shutil.which("jq") is None, reason="needs jq, as gh has it: apt-get install jq")
@pytest.mark.parametrize(
    ("comments", "files", "request_line", "said"),
    [
        ([], ["delta.md", "summary.md"], "POST repos/o/r/issues/3/comments", "a delta"),
        ([*OTHERS, OURS], ["delta.md"], "PATCH repos/o/r/issues/comments/7", "a delta"),
        (OTHERS, ["summary.md"], "POST repos/o/r/issues/3/comments", "a summary"),
        ([OURS], [], "PATCH repos/o/r/issues/comments/7", "there is no report"),
    ],
)
def test_github_comment(
    comments: list[dict[str, Any]], files: list[str], request_line: str, said: str, tmp_path: Path
) -> None:
    step = recipe("github-actions.yml")["jobs"]["comment"]["steps"][-1]
    (tmp_path / "comments.json").write_text(json.dumps(comments))
    for file in files:
        (tmp_path / file).write_text(f"{MARKER}\na delta\n" if file == "delta.md" else "a summary\n")
    gh = tmp_path / "gh"
    # gh api --silent --method METHOD PATH -F body=@FILE, or gh api PATH --paginate --jq FILTER
    gh.write_text(
        '#!/bin/sh\nif [ "$2" = --silent ]; then echo "$4 $5" >> log; cp "${7#body=@}" posted\n'
        'else jq -r "$5" comments.json; fi\n'
    )
    gh.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "GH_REPO": "o/r",
        "NUMBER": "3",
        "GATE": "failure",
        "RUN": "https://ci.example/7",
    }
    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert (tmp_path / "log").read_text().splitlines() == [request_line]
    body = (tmp_path / "posted").read_text()
    assert body.startswith(f"{MARKER}\n")
    assert body.count(MARKER) == 1
    assert said in body
    assert 'Result of the job "gate": failure' in body
    assert "(https://ci.example/7)" in body


class GitLab(HTTPServer):
    """The answers of GitLab: an account, notes in two pages, and the report of the target branch."""

    def __init__(self, notes: list[dict[str, Any]], base: bytes | None) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.notes, self.base = notes, base
        self.written: list[tuple[str, str, str]] = []


class Answer(BaseHTTPRequestHandler):
    server: GitLab

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        assert self.headers["PRIVATE-TOKEN"] == "token"
        path, _, query = self.path.partition("?")
        if "artifacts" in path:
            assert self.path == "/projects/1/jobs/artifacts/release%2F2/raw/report.json?job=vmaf-report"
            self._send(self.server.base, 200 if self.server.base else 404)
        elif path == "/user":
            self._send(b'{"id": 9}')
        else:
            first = query.endswith("page=1")
            self._send(json.dumps([] if first else self.server.notes).encode(), page="2" if first else "")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        self.server.written.append((self.command, self.path, body))
        self._send(b"{}")

    do_PUT = do_POST

    def _send(self, data: bytes | None, status: int = 200, page: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Next-Page", page)
        self.end_headers()
        self.wfile.write(data or b"{}")


@pytest.fixture
def gitlab() -> Iterator[Callable[..., GitLab]]:
    """gitlab(notes, base): a server that answers as GitLab does."""
    servers = []

    def start(notes: list[dict[str, Any]], base: bytes | None) -> GitLab:
        servers.append(GitLab(notes, base))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,)).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("known", [True, False])
def test_gitlab_comment(known: bool, gitlab: Callable[..., GitLab], tmp_path: Path) -> None:
    other = {"id": 4, "author": {"id": 8}, "body": MARKER}
    notes = [other, {"id": 5, "author": {"id": 9}, "body": f"{MARKER}\nold"}] if known else [other]
    server = gitlab(notes, b"{}" if known else None)
    (tmp_path / "summary.md").write_text("a summary\n")
    command = tmp_path / "pytest-vmaf"
    command.write_text(f"#!/bin/sh\nprintf '{MARKER}\\na delta\\n' > delta.md\nexit 1\n")
    command.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "CI_API_V4_URL": f"http://127.0.0.1:{server.server_port}",
        "CI_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_IID": "3",
        "VMAF_TOKEN": "token",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "release/2",
        "CI_PIPELINE_URL": "https://gitlab.example/7",
    }
    script = "\n".join(recipe("gitlab-ci.yml")["vmaf-comment"]["script"][1:]).replace("python ", "python3 ")
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True, timeout=60)
    [(method, path, body)] = server.written
    notes_path = "/projects/1/merge_requests/3/notes"
    assert (method, path) == (("PUT", f"{notes_path}/5") if known else ("POST", notes_path))
    assert body.startswith(f"{MARKER}\n{'a delta' if known else 'a summary'}\n")
    assert body.endswith("[The report](https://gitlab.example/7)\n")
