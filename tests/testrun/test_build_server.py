"""Branch, commit and link of a CI job, from the variables of four servers."""

from __future__ import annotations

import pytest

from pytest_vmaf.report.schema import RUN, Optional
from pytest_vmaf.testrun.build_server import LONGEST, build_of

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
    ],
    ids=["GitHub", "GitLab", "Jenkins", "Azure"],
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
    ],
)
def test_pull_request(environment: dict[str, str], name: str) -> None:
    assert build_of({**environment, name: "fix"})["branch"] == "fix"


def test_no_server() -> None:
    assert build_of({}) == build_of({"GITHUB_ACTIONS": "false", "GIT_BRANCH": "main", "GITHUB_SHA": "1"}) == {}


def test_missing_variables() -> None:
    assert build_of({"GITHUB_ACTIONS": "true"}) == {"build": "GitHub run"}
    for environment in (GITHUB, GITLAB, JENKINS, AZURE):
        found = build_of({**environment, **dict.fromkeys(environment.keys() - {"GITHUB_ACTIONS"}, "x" * 9999)})
        assert all(len(value) <= LONGEST and isinstance(RUN[key], Optional) for key, value in found.items())
