"""What the environment of a CI job says about the run: branch, commit, and the page of the run.

Everything here is written by others, so it is cut, made printable, and never executed. git is not run: a folder that
somebody else owns may configure commands for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_vmaf.report.schema import RecordDict

#: The longest text that is taken from a variable.
LONGEST = 500


def build_of(environment: Mapping[str, str]) -> RecordDict:
    """Read the variables of GitHub Actions, GitLab CI, Jenkins or Azure Pipelines.

    Args:
        environment: The variables, such as `os.environ`.

    Returns:
        `branch`, `commit`, `build` (its name) and `url`; only those that are known.
    """

    def first(*names: str) -> str:
        return next((value for name in names if (value := environment.get(name, "").strip())), "")

    if environment.get("GITHUB_ACTIONS") == "true":
        run = first("GITHUB_RUN_ID")
        url = f"{first('GITHUB_SERVER_URL')}/{first('GITHUB_REPOSITORY')}/actions/runs/{run}" if run else ""
        values = first("GITHUB_HEAD_REF", "GITHUB_REF_NAME"), first("GITHUB_SHA"), url
        name = ("GitHub run", first("GITHUB_RUN_NUMBER", "GITHUB_RUN_ID"))
    elif environment.get("GITLAB_CI") == "true":
        branch = first("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME")
        values = branch, first("CI_COMMIT_SHA"), first("CI_PIPELINE_URL", "CI_JOB_URL")
        name = ("GitLab pipeline", first("CI_PIPELINE_IID", "CI_PIPELINE_ID"))
    elif environment.get("TF_BUILD", "").lower() == "true":
        branch = first("SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH").removeprefix("refs/heads/")
        top, build = first("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"), first("BUILD_BUILDID")
        project = first("SYSTEM_TEAMPROJECT").replace(" ", "%20")
        url = f"{top.rstrip('/')}/{project}/_build/results?buildId={build}" if build else ""
        values = branch, first("BUILD_SOURCEVERSION"), url
        name = ("Azure run", first("BUILD_BUILDNUMBER", "BUILD_BUILDID"))
    elif environment.get("JENKINS_URL"):
        values = first("CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"), first("GIT_COMMIT"), first("BUILD_URL")
        name = ("Jenkins build", first("BUILD_NUMBER"))
    else:
        return {}
    record = dict(zip(("branch", "commit", "url"), values, strict=True)) | {"build": " ".join(filter(None, name))}
    return {key: value[:LONGEST] for key, value in record.items() if value}
