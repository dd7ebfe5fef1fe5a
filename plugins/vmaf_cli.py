"""The scorer `vmaf`: two ffmpegs decode into pipes, from which Netflix's `vmaf` tool reads and scores."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from functools import lru_cache
from pathlib import Path

import pluggy

from pytest_vmaf.errors import LogError, ScorerError
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.process import run, run_together
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.feature_options import feature_arguments, read_scores
from pytest_vmaf.scoring.logs import Log
from pytest_vmaf.scoring.model_files import copy_commands, copy_models, model_file_names, model_options
from pytest_vmaf.scoring.raw_decoder import PLANAR, STOPPED, RawDecoder, decoders_of, shell_pipes
from pytest_vmaf.scoring.scorer import Capabilities, ModelRun, ScoreLog, ScoreRequest, Tools
from pytest_vmaf.scoring.verify_log import verify_log
from pytest_vmaf.text import printable

hookimpl = pluggy.HookimplMarker("pytest")
LOG = "log.xml"
FD_FOLDER = "/dev/fd"
#: What the tool prints about a feature that it was built without.
UNKNOWN_FEATURE = re.compile(r"problem loading feature extractor: (\S+)")

INSTALL = (
    "  Name it with --vmaf-bin=PATH (ini: vmaf_bin). Install it with libvmaf (`brew install libvmaf`), or build it\n"
    "  from https://github.com/Netflix/vmaf (libvmaf/tools). The scorer `ffmpeg` does not need it:\n"
    "  --vmaf-scorer=ffmpeg. `pytest-vmaf doctor` shows what is available."
)


@hookimpl
def pytest_vmaf_scorer(config: object, name: str) -> VmafCliScorer | None:
    """The scorer, if its name is `vmaf`."""
    return VmafCliScorer() if name == "vmaf" else None


class VmafCliScorer:
    """Scores with the `vmaf` tool that `Tools.vmaf_bin` names, confidence intervals of bootstrap models included."""

    def capabilities(self, tools: Tools) -> Capabilities:
        """The version of the tool.

        Raises:
            ScorerError: If it is missing or does not run, or this system has no /dev/fd.
        """
        tool = _find(tools.vmaf_bin)
        stat = os.stat(tool)
        return Capabilities(name="vmaf", version=_version(tool, stat.st_mtime_ns, stat.st_size), bootstrap=True)

    def programs(self, tools: Tools) -> tuple[str, ...]:
        """The tool, and the ffmpeg that decodes for it."""
        return _find(tools.vmaf_bin), tools.ffmpeg.path

    def command(self, request: ScoreRequest) -> str:
        """The run as a command for bash, with process substitution in place of the pipes."""
        tool, models = _find(request.tools.vmaf_bin), model_file_names(request.models)
        pipes = shell_pipes(request)
        run = arguments(tool, request, models, *pipes)
        return printable(copy_commands(models) + " ".join(part if part in pipes else shlex.quote(part) for part in run))

    def score(self, request: ScoreRequest) -> ScoreLog:
        """Decode both clips and score them in three processes side by side, without a temporary video.

        Raises:
            ScorerError: If a process fails. The message contains its last lines.
            PairError: If the clips have different lengths.
        """
        tool = _find(request.tools.vmaf_bin)
        reference, distorted = decoders_of(request)
        with scratch_folder() as folder:
            models = copy_models(request.models, Path(folder))
            repeat = self.command(request)
            (ref_out, ref_in), (dis_out, dis_in) = os.pipe(), os.pipe()
            argv = arguments(tool, request, models, f"{FD_FOLDER}/{ref_out}", f"{FD_FOLDER}/{dis_out}")
            ends = run_together(
                [
                    reference.command(ref_in, None),
                    distorted.command(dis_in, request.progress),
                    Command(tuple(argv), cwd=folder, pass_fds=(ref_out, dis_out)),
                ],
                request.timeout,
            )
            for decoder, end in zip((reference, distorted), ends, strict=False):
                decoder.check(end)
            log = _read(Path(folder, LOG), ends, (reference, distorted), request, repeat)
        return ScoreLog(
            columns=log.columns,
            reference_frames=reference.delivered,
            distorted_frames=distorted.delivered,
            libvmaf=log.version,
            command=repeat,
            pooled_means=log.pooled_means,
            stream=distorted.packets,
        )


def arguments(
    tool: str, request: ScoreRequest, models: dict[ModelRun, str], reference: str, distorted: str
) -> list[str]:
    """The tool's argument list. The models' files are in its working directory, and the log will be."""
    form = PLANAR.fullmatch(request.pix_fmt)
    if form is None:
        raise ScorerError(f"The vmaf tool cannot read {request.pix_fmt}. Use --vmaf-scorer=ffmpeg.")
    argv = [tool, "-r", reference, "-d", distorted, "-w", str(request.width), "-h", str(request.height)]
    argv += ["-p", form["chroma"], "-b", form["depth"] or "8"]
    for model in request.models:
        argv += ["--model", ":".join(model_options(model, models[model]))]
    for name, *options in feature_arguments(request):
        argv += ["--feature", f"{name}={':'.join(options)}" if options else name]
    return [*argv, "--threads", str(request.threads), "-q", "--xml", "-o", LOG]


def _read(
    path: Path, ends: list[Finished], decoders: tuple[RawDecoder, RawDecoder], request: ScoreRequest, repeat: str
) -> Log:
    scored, text = ends[2], "\n".join(ends[2].tail)
    complete = [end.returncode == 0 for end in ends[:2]]
    # The tool stops at the end of the shorter clip without an error. The other decoder then has no reader.
    if any(complete) and (scored.returncode in (0, STOPPED) or "ended before" in text):
        for decoder, ended in zip(decoders, complete, strict=True):
            if not ended:
                decoder.recount(request.timeout)
        reference, distorted = (decoder.delivered for decoder in decoders)
        if reference != distorted:
            verify_log(ScoreLog({}, reference, distorted, "", repeat), request, "vmaf")
    if all(complete) and scored.returncode == 0 and path.exists():
        return read_scores(path, request)
    versions = ", ".join(str(model.version or model.path) for model in request.models)
    if "problem loading model" in text:
        what = (
            f"The vmaf tool cannot load one of the models {printable(versions)}; a newer one may have more.\n{INSTALL}"
        )
    elif match := UNKNOWN_FEATURE.search(text):
        what = (
            f"The vmaf tool lacks the feature extractor {printable(match[1])}. Builds without -Denable_float=true have "
            "few of those\n  that begin with float_. Use --vmaf-scorer=ffmpeg, or leave it out."
        )
    elif scored.returncode != 0 and (odd := _odd_chroma(request)):
        what = odd
    elif scored.returncode < 0:
        what = "The vmaf tool crashed. For example, libvmaf crashes on frames that are too small for a model."
    elif scored.returncode != 0:
        what = "The vmaf tool failed."
    elif not path.exists():
        raise LogError(
            "The vmaf tool exited normally but wrote no log, so nothing was scored. Is the disk full?\n"
            f"{scored.explain()}"
        )
    else:
        what = "The vmaf tool ended before it had read both clips to their ends."
    raise ScorerError(f"{what}\n{scored.explain()}", scored.returncode)


def _odd_chroma(request: ScoreRequest) -> str:
    """Why the tool failed, if it may be the size of the chroma planes; else ""."""
    form = PLANAR.fullmatch(request.pix_fmt)
    chroma = form["chroma"] if form else "444"
    halved = {"420": (request.width, request.height), "422": (request.width,)}.get(chroma, ())
    if not any(side % 2 for side in halved):
        return ""
    return (
        f"The vmaf tool failed on {request.width}x{request.height} in {request.pix_fmt}. From version 3.2.0 on it does "
        "not read odd sizes with\n  subsampled chroma: it takes the chroma for a column or row smaller than it is, "
        "and crashes.\n  Use --vmaf-scorer=ffmpeg, which gives the same scores."
    )


def _find(vmaf_bin: str) -> str:
    if not os.path.isdir(FD_FOLDER):
        raise ScorerError(
            f"The scorer `vmaf` reads its clips from pipes under {FD_FOLDER}, which this system does not have.\n"
            "  Use --vmaf-scorer=ffmpeg, which gives the same scores."
        )
    path = shutil.which(os.path.expanduser(vmaf_bin))
    if path is None:
        raise ScorerError(f"Netflix's vmaf tool {printable(vmaf_bin)!r} does not exist or cannot be run.\n{INSTALL}")
    return os.path.abspath(path)


@lru_cache(maxsize=16)
def _version(path: str, mtime_ns: int, size: int) -> str:
    """Ask a binary once in a process. The tool prints its version to stderr."""
    lines: list[str] = []
    end = run(Command((path, "--version"), on_stderr=lines.append, on_stdout=lines.append), timeout=60)
    versions = [line.strip() for line in lines if line.strip()]
    if end.returncode != 0 or not versions:
        raise ScorerError(f"{printable(path)} does not answer --version like a vmaf tool.\n{end.explain()}\n{INSTALL}")
    return printable(versions[-1].removeprefix("v"))
