"""Branch, commit and link of a CI job, from the variables of its server, and of a checkout, from its `.git`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_vmaf.report.schema import RUN, Optional
from pytest_vmaf.testrun.build_server import LONGEST, build_of, origin_of
from pytest_vmaf.testrun.checkout import read_checkout

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "we/encoder",
    "GITHUB_RUN_ID": "99",
    "GITHUB_RUN_NUMBER": "7",
    "GITHUB_REF_NAME": "main",
    "GITHUB_HEAD_REF": "",
    "GITHUB_SHA": "3f9c2e1",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_COMMIT_REF_NAME": "main",
    "CI_COMMIT_SHA": "3f9c2e1",
    "CI_PIPELINE_IID": "7",
    "CI_PIPELINE_URL": "https://gitlab.example/we/encoder/-/pipelines/99",
}
JENKINS = {
    "JENKINS_URL": "https://ci.example/",
    "BRANCH_NAME": "main",
    "GIT_COMMIT": "3f9c2e1",
    "BUILD_NUMBER": "7",
    "BUILD_URL": "https://ci.example/job/encoder/7/",
}
AZURE = {
    "TF_BUILD": "True",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/we/",
    "SYSTEM_TEAMPROJECT": "our encoder",
    "BUILD_BUILDID": "99",
    "BUILD_BUILDNUMBER": "20261130.7",
    "BUILD_SOURCEBRANCH": "refs/heads/feature/faster",
    "BUILD_SOURCEVERSION": "3f9c2e1",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_COMMIT": "3f9c2e1",
    "BUILDKITE_BUILD_NUMBER": "7",
    "BUILDKITE_BUILD_URL": "https://buildkite.com/we/encoder/builds/7",
}
CIRCLECI = {
    "CIRCLECI": "true",
    "CIRCLE_BRANCH": "main",
    "CIRCLE_SHA1": "3f9c2e1",
    "CIRCLE_BUILD_NUM": "7",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/we/encoder/7",
}
TRAVIS = {
    "TRAVIS": "true",
    "TRAVIS_BRANCH": "main",
    "TRAVIS_COMMIT": "3f9c2e1",
    "TRAVIS_BUILD_NUMBER": "7",
    "TRAVIS_BUILD_WEB_URL": "https://app.travis-ci.com/we/encoder/builds/99",
}
SWITCHES = {"GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "BUILDKITE", "CIRCLECI", "TRAVIS"}
SERVERS = (GITHUB, GITLAB, JENKINS, AZURE, BUILDKITE, CIRCLECI, TRAVIS)


@pytest.mark.parametrize(
    ("environment", "branch", "build", "url"),
    [
        (GITHUB, "main", "GitHub run 7", "https://github.com/we/encoder/actions/runs/99"),
        (GITLAB, "main", "GitLab pipeline 7", GITLAB["CI_PIPELINE_URL"]),
        (JENKINS, "main", "Jenkins build 7", JENKINS["BUILD_URL"]),
        (
            AZURE,
            "feature/faster",
            "Azure run 20261130.7",
            "https://dev.azure.com/we/our%20encoder/_build/results?buildId=99",
        ),
        (BUILDKITE, "main", "Buildkite build 7", BUILDKITE["BUILDKITE_BUILD_URL"]),
        (CIRCLECI, "main", "CircleCI job 7", CIRCLECI["CIRCLE_BUILD_URL"]),
        (TRAVIS, "main", "Travis build 7", TRAVIS["TRAVIS_BUILD_WEB_URL"]),
    ],
    ids=["GitHub", "GitLab", "Jenkins", "Azure", "Buildkite", "CircleCI", "Travis"],
)
def test_build(environment: dict[str, str], branch: str, build: str, url: str) -> None:
    assert build_of(environment) == {"branch": branch, "commit": "3f9c2e1", "build": build, "url": url}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        (GITHUB, "GITHUB_HEAD_REF"),
        (GITLAB, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"),
        (JENKINS, "CHANGE_BRANCH"),
        (AZURE, "SYSTEM_PULLREQUEST_SOURCEBRANCH"),
        (TRAVIS, "TRAVIS_PULL_REQUEST_BRANCH"),
    ],
)
def test_pull_request(environment: dict[str, str], name: str) -> None:
    assert build_of({**environment, name: "fix"})["branch"] == "fix"


def test_no_server() -> None:
    assert build_of({}) == build_of({"GITHUB_ACTIONS": "false", "GIT_BRANCH": "main", "GITHUB_SHA": "1"}) == {}


def test_missing_variables() -> None:
    assert build_of({"GITHUB_ACTIONS": "true"}) == {"build": "GitHub run"}
    for environment in SERVERS:
        found = build_of({**environment, **dict.fromkeys(environment.keys() - SWITCHES, "x" * 9999)})
        assert all(len(value) <= LONGEST and isinstance(RUN[key], Optional) for key, value in found.items())
        assert found.keys() >= {"branch", "commit", "build", "url"}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    environment = {**os.environ, "GIT_DEFAULT_REF_FORMAT": "files"}
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_checkout(tmp_path: Path) -> None:
    top, inside, other = tmp_path / "top", tmp_path / "top" / "tests", tmp_path / "other"
    inside.mkdir(parents=True)
    git(top, "init", "-q", "-b", "feature/faster")
    assert read_checkout(inside) == {"branch": "feature/faster"}
    git(top, "commit", "-q", "--allow-empty", "-m", "first")
    expected = {"branch": "feature/faster", "commit": git(top, "rev-parse", "HEAD")}
    assert read_checkout(inside) == origin_of({}, inside) == expected
    git(top, "pack-refs", "--all")
    assert read_checkout(inside) == expected
    # A server that does not name its commit built this one.
    assert origin_of({"GITHUB_ACTIONS": "true"}, inside) == {**expected, "build": "GitHub run"}
    assert origin_of({**BUILDKITE, "BUILDKITE_COMMIT": "HEAD"}, inside)["commit"] == expected["commit"]
    assert origin_of(GITHUB, inside)["commit"] == "3f9c2e1"
    git(top, "worktree", "add", "-q", "-b", "other", str(other))
    assert read_checkout(other) == {**expected, "branch": "other"}
    git(top, "checkout", "-q", "--detach")
    assert read_checkout(top) == {"commit": expected["commit"]}


@pytest.mark.parametrize(
    "head",
    [
        "",
        "ref: ",
        "ref: refs/heads/.invalid",
        "ref: refs/../../secret",
        "ref: ../secret",
        "ref: refs/heads/a/../..",
        "x",
    ],
)
def test_unusual_head(tmp_path: Path, head: str) -> None:
    (tmp_path / "secret").write_text("1" * 40)
    (tmp_path / "top" / ".git").mkdir(parents=True)
    (tmp_path / "top" / ".git" / "HEAD").write_text(head)
    assert read_checkout(tmp_path / "top") == {}
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / ".git").write_text(f"gitdir: {tmp_path}/nowhere\n")
    assert read_checkout(tmp_path / "file") == {}
