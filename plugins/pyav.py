"""The scorer `pyav`: two ffmpegs decode into pipes, from which another Python scores with the libvmaf of PyAV."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pluggy

from pytest_vmaf.errors import LogError, ScorerError
from pytest_vmaf.media.command import Command, Finished
from pytest_vmaf.media.ffmpeg import ENVIRONMENT, STALL_LIMIT
from pytest_vmaf.media.process import run, run_together
from pytest_vmaf.media.scratch import scratch_folder
from pytest_vmaf.scoring.feature_options import feature_arguments, read_scores
from pytest_vmaf.scoring.logs import Log
from pytest_vmaf.scoring.model_files import copy_commands, copy_models, model_file_names, model_options
from pytest_vmaf.scoring.raw_decoder import PLANAR, RawDecoder, decoders_of, shell_pipes
from pytest_vmaf.scoring.scorer import Capabilities, ModelRun, ScoreLog, ScoreRequest, Tools
from pytest_vmaf.scoring.verify_log import verify_log
from pytest_vmaf.text import printable

hookimpl = pluggy.HookimplMarker("pytest")
LOG = "log.xml"
#: By its path, since its Python knows no environment.
PROGRAM = Path(__file__).with_name("libvmaf_program.py")
#: The exit code of the program where PyAV has no libvmaf.
WITHOUT_LIBVMAF = 3
#: The libraries of the wheel that decide the scores, on Linux and on macOS.
LIBRARIES = ("av.libs/lib{name}[-.]*", "av/.dylibs/lib{name}.*")
UNKNOWN_FEATURE = re.compile(r"problem during vmaf_use_feature: (\S+)")
#: Features that wheels lack, and those that measure the same without floating-point numbers.
WHOLE_NUMBERS = {"float_adm": "adm", "float_vif": "vif", "float_motion": "motion", "float_psnr": "psnr"}
#: Seconds for an import.
IMPORT_TIMEOUT = 60.0

INSTALL = (
    "  In Python 3.12 or later: pip install 'pytest-vmaf[pyav]'. The wheels of av have libvmaf from version 19 on.\n"
    "  The scorer `ffmpeg` does not need it: --vmaf-scorer=ffmpeg. `pytest-vmaf doctor` shows what is available."
)


@hookimpl
def pytest_vmaf_scorer(config: object, name: str) -> PyavScorer | None:
    """The scorer, if its name is `pyav`."""
    return PyavScorer() if name == "pyav" else None


class PyavScorer:
    """Scores with the libvmaf of the package `av` (PyAV). The ffmpeg that decodes need not have libvmaf."""

    def capabilities(self, tools: Tools) -> Capabilities:
        """The version of PyAV.

        Raises:
            ScorerError: If it is missing, cannot be imported or was built without libvmaf, or if this is Windows.
        """
        if os.name != "posix":
            raise ScorerError(
                "The scorer `pyav` needs Linux or macOS. Use --vmaf-scorer=ffmpeg, which gives the same scores."
            )
        folder = _find()
        return Capabilities(name="pyav", version=_version(folder, Path(folder, "av").stat().st_mtime_ns))

    def programs(self, tools: Tools) -> tuple[str, ...]:
        """The ffmpeg that decodes, the Python that runs PyAV, and PyAV's libraries that score."""
        folder = Path(_find())
        patterns = [each.format(name=name) for each in LIBRARIES for name in ("vmaf", "avfilter", "avutil")]
        libraries = sorted(str(path) for pattern in patterns for path in folder.glob(pattern))
        # Without libraries of its own, PyAV uses those of the system, which nothing here knows.
        return (tools.ffmpeg.path, sys.executable, *libraries) if len(libraries) >= 3 else ()

    def command(self, request: ScoreRequest) -> str:
        """The run as a command for bash, with process substitution in place of the pipes."""
        models, pipes = model_file_names(request.models), shell_pipes(request)
        argv = arguments(request, models, *pipes)
        words = " ".join(part if part in pipes else shlex.quote(part) for part in argv)
        return printable(copy_commands(models) + words)

    def score(self, request: ScoreRequest) -> ScoreLog:
        """Decode both clips and score them in three processes side by side, without a temporary video.

        Raises:
            ScorerError: If a process fails. The message contains its last lines.
            PairError: If the clips have different lengths.
        """
        reference, distorted = decoders_of(request)
        repeat = self.command(request)
        with scratch_folder() as folder:
            models = copy_models(request.models, Path(folder))
            (ref_out, ref_in), (dis_out, dis_in) = os.pipe(), os.pipe()
            scoring = Command(
                tuple(arguments(request, models, str(ref_out), str(dis_out))),
                cwd=folder,
                pass_fds=(ref_out, dis_out),
                environment=ENVIRONMENT,
                stall_limit=STALL_LIMIT,
            )
            ends = run_together(
                [reference.command(ref_in, None), distorted.command(dis_in, request.progress), scoring], request.timeout
            )
            for decoder, end in zip((reference, distorted), ends, strict=False):
                decoder.check(end)
            log = _read(Path(folder, LOG), ends[2], (reference, distorted), request, repeat)
        return ScoreLog(
            columns=log.columns,
            reference_frames=reference.delivered,
            distorted_frames=distorted.delivered,
            libvmaf=log.version,
            command=repeat,
            pooled_means=log.pooled_means,
            stream=distorted.packets,
        )


def arguments(request: ScoreRequest, models: dict[ModelRun, str], reference: str, distorted: str) -> list[str]:
    """The program's argument list. The models' files are in its working directory, and the log will be.

    Raises:
        ScorerError: If libvmaf does not read the pixel format.
    """
    if PLANAR.fullmatch(request.pix_fmt) is None:
        raise ScorerError(f"libvmaf cannot read {request.pix_fmt}.")
    argv = [*_python(_find()), "--size", f"{request.width}x{request.height}", "--pix-fmt", request.pix_fmt]
    runs = "|".join(":".join(model_options(model, models[model])) for model in request.models)
    features = "|".join(":".join(["name=" + each[0], *each[1:]]) for each in feature_arguments(request))
    argv += [reference, distorted, f"model={runs}", *([f"feature={features}"] if features else [])]
    return [*argv, f"log_path={LOG}", "log_fmt=xml", f"n_threads={request.threads}"]


def _python(folder: str) -> tuple[str, ...]:
    """A Python that has only its standard library and the package `av` of a folder."""
    return sys.executable, "-I", "-S", str(PROGRAM), "--av", folder


def _read(
    path: Path, end: Finished, decoders: tuple[RawDecoder, RawDecoder], request: ScoreRequest, repeat: str
) -> Log:
    reference, distorted = (decoder.delivered for decoder in decoders)
    text = "\n".join(end.tail)
    if end.returncode == 0 and (reference != distorted or reference == 0):
        verify_log(ScoreLog({}, reference, distorted, "", repeat), request, "pyav")
    if end.returncode == 0 and path.exists():
        return read_scores(path, request)
    models = printable(", ".join(str(model.version or model.path) for model in request.models))
    if end.returncode < 0:
        what = "PyAV crashed while scoring. For example, libvmaf crashes on frames that are too small for a model."
    elif "could not load" in text:
        what = (
            f"The libvmaf of PyAV lacks one of the models {models}.\n"
            "  `pytest-vmaf doctor` lists its models; a newer version may have more: pip install --upgrade av."
        )
    elif match := UNKNOWN_FEATURE.search(text):
        alike = f", or {WHOLE_NUMBERS[match[1]]} in its place" if match[1] in WHOLE_NUMBERS else ""
        what = f"The libvmaf of PyAV lacks the feature {match[1]}. Use --vmaf-scorer=ffmpeg{alike}."
    elif "problem getting pooled" in text or "problem during vmaf_read_pictures" in text:
        what = (
            f"The libvmaf of PyAV has the models {models}, but could not compute them for frames of "
            f"{request.width}x{request.height}.\n"
            "  v1 models need about 216 pixels per side. `pytest-vmaf doctor` shows which models it can compute."
        )
    elif end.returncode == 0:
        raise LogError(
            f"PyAV exited normally but wrote no log, so nothing was scored. Is the disk full?\n{end.explain()}"
        )
    else:
        what = "PyAV failed."
    raise ScorerError(f"{what}\n{end.explain()}", end.returncode)


def _find() -> str:
    """The folder with the package `av`, which is not imported."""
    spec = find_spec("av")
    if spec is None or not spec.submodule_search_locations:
        older = sys.version_info < (3, 12)
        here = f" This is Python {platform.python_version()}." if older else ""
        raise ScorerError(f"The scorer `pyav` needs the package av (PyAV), which is not installed.{here}\n{INSTALL}")
    return str(Path(next(iter(spec.submodule_search_locations))).absolute().parent)


@lru_cache(maxsize=16)
def _version(folder: str, mtime_ns: int) -> str:
    """The version of the PyAV in a folder, requested once per process."""
    lines: list[str] = []
    end = run(Command((*_python(folder), "--version"), on_stdout=lines.append), IMPORT_TIMEOUT)
    version = printable(lines[0]) if lines else ""
    if end.returncode == WITHOUT_LIBVMAF:
        raise ScorerError(f"PyAV {version} in {printable(folder)} was built without libvmaf.\n{INSTALL}")
    if end.returncode != 0 or not version:
        raise ScorerError(f"PyAV in {printable(folder)} cannot be used.\n{end.explain()}\n{INSTALL}")
    return version
