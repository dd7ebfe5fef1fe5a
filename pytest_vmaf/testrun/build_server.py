"""Where a run comes from: branch, commit, and the page of the CI job, from the environment and from the checkout.

Everything here is written by others, so it is cut, made printable, and never executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_vmaf.report.schema import RecordDict
from pytest_vmaf.testrun.checkout import read_checkout

#: The longest text that is taken from a variable.
LONGEST = 500


#: Returns the first of these variables that is set.
First = Callable[..., str]


def origin_of(environment: Mapping[str, str], folder: Path) -> RecordDict:
    """Where a run comes from: what the CI job says, and what the checkout of `folder` adds to it.

    Returns:
        `branch`, `commit`, `build` and `url`; only those that are known.
    """
    build = build_of(environment)
    # A server that names its commit has checked out that one, often without a branch.
    return build if "commit" in build else {**read_checkout(folder), **build}


def build_of(environment: Mapping[str, str]) -> RecordDict:
    """Read the variables of GitHub, GitLab, Azure, Buildkite, CircleCI, Travis or Jenkins.

    Args:
        environment: The variables, such as `os.environ`.

    Returns:
        `branch`, `commit`, `build` (its name) and `url`; only those that are known.
    """

    def first(*names: str) -> str:
        return next((value for name in names if (value := environment.get(name, "").strip())), "")

    for switch, read in SERVERS.items():
        value = environment.get(switch, "")
        if value.lower() == "true" or (switch == "JENKINS_URL" and value):
            names = ("branch", "commit", "url", "build")
            record = dict(zip(names, read(first), strict=True))
            # Buildkite says HEAD where nobody named a commit.
            return {key: value[:LONGEST] for key, value in record.items() if value and value != "HEAD"}
    return {}


def _github(first: First) -> tuple[str, ...]:
    run = first("GITHUB_RUN_ID")
    url = f"{first('GITHUB_SERVER_URL')}/{first('GITHUB_REPOSITORY')}/actions/runs/{run}" if run else ""
    name = _name("GitHub run", first("GITHUB_RUN_NUMBER", "GITHUB_RUN_ID"))
    return first("GITHUB_HEAD_REF", "GITHUB_REF_NAME"), first("GITHUB_SHA"), url, name


def _gitlab(first: First) -> tuple[str, ...]:
    branch = first("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME")
    name = _name("GitLab pipeline", first("CI_PIPELINE_IID", "CI_PIPELINE_ID"))
    return branch, first("CI_COMMIT_SHA"), first("CI_PIPELINE_URL", "CI_JOB_URL"), name


def _azure(first: First) -> tuple[str, ...]:
    branch = first("SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH").removeprefix("refs/heads/")
    top, build = first("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"), first("BUILD_BUILDID")
    project = first("SYSTEM_TEAMPROJECT").replace(" ", "%20")
    url = f"{top.rstrip('/')}/{project}/_build/results?buildId={build}" if build else ""
    return branch, first("BUILD_SOURCEVERSION"), url, _name("Azure run", first("BUILD_BUILDNUMBER", "BUILD_BUILDID"))


def _buildkite(first: First) -> tuple[str, ...]:
    name = _name("Buildkite build", first("BUILDKITE_BUILD_NUMBER"))
    return first("BUILDKITE_BRANCH"), first("BUILDKITE_COMMIT"), first("BUILDKITE_BUILD_URL"), name


def _circleci(first: First) -> tuple[str, ...]:
    name = _name("CircleCI job", first("CIRCLE_BUILD_NUM"))
    return first("CIRCLE_BRANCH", "CIRCLE_TAG"), first("CIRCLE_SHA1"), first("CIRCLE_BUILD_URL"), name


def _travis(first: First) -> tuple[str, ...]:
    branch = first("TRAVIS_PULL_REQUEST_BRANCH", "TRAVIS_BRANCH")
    url, name = first("TRAVIS_BUILD_WEB_URL"), _name("Travis build", first("TRAVIS_BUILD_NUMBER"))
    return branch, first("TRAVIS_PULL_REQUEST_SHA", "TRAVIS_COMMIT"), url, name


def _jenkins(first: First) -> tuple[str, ...]:
    branch = first("CHANGE_BRANCH", "BRANCH_NAME") or first("GIT_BRANCH").removeprefix("origin/")
    return branch, first("GIT_COMMIT"), first("BUILD_URL"), _name("Jenkins build", first("BUILD_NUMBER"))


def _name(server: str, number: str) -> str:
    return f"{server} {number}".rstrip()


#: The servers by the variable that each sets, Jenkins last, which others imitate. The readers return branch, commit,
#: link and name.
SERVERS: Mapping[str, Callable[[First], tuple[str, ...]]] = {
    "GITHUB_ACTIONS": _github,
    "GITLAB_CI": _gitlab,
    "TF_BUILD": _azure,
    "BUILDKITE": _buildkite,
    "CIRCLECI": _circleci,
    "TRAVIS": _travis,
    "JENKINS_URL": _jenkins,
}
