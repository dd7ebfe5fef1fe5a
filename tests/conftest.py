"""Shared fixtures: real clips and their scores, and programs to run. `session_clips` makes the clips."""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy  # noqa: F401  (pytester unloads what a run in this process has loaded, and numpy loads only once)
import pytest

from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.clip_like import as_clip
from pytest_vmaf.media.ffmpeg import find_ffmpeg
from pytest_vmaf.media.inspect import inspect
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.logs import Log, read_log
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result

pytest_plugins = ["pytester", "session_clips", "stream_encodes"]

# A shell starts background jobs with SIGINT ignored, and child processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Many tests start a Python of their own, and xdist its workers. Compiling everything again in each would double their
# time. A cache elsewhere (PYTHONPYCACHEPREFIX) would lack what pip has compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

#: Options for child runs of pytest: without plugins that few tests need and that are slow to load.
LEAN = " ".join(
    f"-p no:{name}"
    for name in (
        *("hypothesispytest", "html", "html_fixtures", "metadata", "allure_pytest"),
        *("rerunfailures", "pytest_cov", "platformdirs", "xdist.looponfail"),
    )
)


#: What git reports about the checkout when the session starts; only where there is git, and not on xdist's workers.
CHECKOUT = pytest.StashKey[str]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remember the state of the checkout."""
    if not hasattr(session.config, "workerinput") and (status := _git_status()) is not None:
        session.config.stash[CHECKOUT] = status


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session if a test wrote into the checkout."""
    before = session.config.stash.get(CHECKOUT, None)
    if before is not None and _git_status() != before:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the files that changed."""
    before = config.stash.get(CHECKOUT, None)
    if before is not None and (after := _git_status()) != before:
        changed = "\n".join(sorted(set((after or "").splitlines()) ^ set(before.splitlines())))
        terminalreporter.write_line(f"The checkout changed during the session, so it fails:\n{changed}", red=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for runs on further Pythons: what depends on the Python is the function, not its parameters."""
    help_text = "of the selected cases of each parametrised test, run the first"
    parser.addoption("--first-cases", action="store_true", help=help_text)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Mark the tests that make clips, so that systems without a suitable ffmpeg can deselect them."""
    for item in items:
        if "ffmpeg" in getattr(item, "fixturenames", ()):
            item.add_marker("ffmpeg")
    yield
    if config.getoption("--first-cases"):
        first: dict[str, pytest.Item] = {}
        for item in items:
            first.setdefault(item.nodeid.partition("[")[0], item)
        config.hook.pytest_deselected(items=[item for item in items if item not in {*first.values()}])
        items[:] = first.values()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[object]:
    """Keep the garbage collector from the tests that are collected: they are many, and they stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # Afterwards it runs less often: hypothesis has a function called at the start and the end of each run.
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


def _git_status() -> str | None:
    try:
        argv = ["git", "status", "--porcelain"]
        git = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return git.stdout if git.returncode == 0 else None


@pytest.fixture(scope="session", autouse=True)
def packages_read_once() -> Iterator[None]:
    """Read what is installed once for each `sys.path`: each start of pytest reads it, and many a measurement."""
    package = importlib.metadata.Distribution
    find_all, find = importlib.metadata.distributions, package.from_name
    known: dict[object, list[importlib.metadata.Distribution]] = {}
    by_name: dict[object, importlib.metadata.Distribution] = {}

    def folders() -> tuple[object, ...]:
        # A folder's time of change tells whether something was installed there.
        return tuple((entry, _changed(entry or os.curdir)) for entry in sys.path)

    def distributions(**context: Any) -> Iterable[importlib.metadata.Distribution]:
        if context:
            return find_all(**context)
        if (key := folders()) not in known:
            known[key] = list(find_all())
        return known[key]

    def from_name(name: str) -> importlib.metadata.Distribution:
        if (key := (name, folders())) not in by_name:
            by_name[key] = find(name)
        return by_name[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "distributions", distributions)
        patch.setattr(package, "from_name", staticmethod(from_name))
        for name in ("entry_points", "files", "metadata"):
            read_once = functools.cached_property(vars(package)[name].fget)
            read_once.__set_name__(package, name)
            patch.setattr(package, name, read_once)
        yield


def _changed(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


@pytest.fixture(scope="session")
def lean_options() -> str:
    """Options for child runs of pytest, as text."""
    return LEAN


def _environment() -> dict[str, str]:
    # pytest sets variables of its own for each test, and the first saliency map sets one for the rest of the process.
    others = ("PYTEST_", "ORT_DISABLE_TELEMETRY")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


@pytest.fixture(autouse=True)
def unchanged_environment() -> Iterator[None]:
    """Fail a test that leaves another `os.environ` than it found, which the tests after it would run with."""
    before = _environment()
    yield
    after = _environment()
    if after != before:
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        for name in changed:
            os.environ.pop(name, None)
            os.environ.update({name: before[name]} if name in before else {})
        names = ", ".join(changed)
        pytest.fail(
            f"after the test, os.environ has another {names}; a test must set variables with monkeypatch.setenv"
        )


@pytest.fixture(autouse=True)
def lean(unchanged_environment: None, request: pytest.FixtureRequest) -> None:
    """Make child runs of pytest start fast. pytester deletes the variable, so this sets it afterwards."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")
        request.getfixturevalue("monkeypatch").setenv("PYTEST_ADDOPTS", LEAN)


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The ffmpeg that scores."""
    return find_ffmpeg().path


@pytest.fixture(scope="session")
def reference(footage: Callable[..., Path]) -> Path:
    """A small lossless reference: 320x180, 24 frames at 25 frames/s, yuv420p."""
    return footage()


@pytest.fixture(scope="session")
def encoded(reference: Path, encode: Callable[..., Path]) -> Path:
    """An honest encode of the reference."""
    return encode(reference, 28)


@pytest.fixture(scope="session")
def sharpened(reference: Path, encode: Callable[..., Path]) -> Path:
    """An encode whose default score was raised by a sharpening filter."""
    return encode(reference, 16, "unsharp=5:5:1.0")


def shared(name: str) -> Path:
    """A folder of published clips: $PYTEST_VMAF_SHARED/name, or ../shared/name beside the project; skips without."""
    root = Path(os.environ.get("PYTEST_VMAF_SHARED", Path(__file__).parents[2] / "shared"))
    folder = root / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set PYTEST_VMAF_SHARED to the folder that holds {name}/ to run this")
    return folder


@pytest.fixture(scope="session")
def shared_folder() -> Callable[[str], Path]:
    """shared_folder("footage"): a folder of published clips. Skips without them."""
    return shared


@pytest.fixture(scope="session")
def golden() -> Path:
    """Netflix's clips with published scores."""
    return shared("golden")


@pytest.fixture(scope="session")
def bunny() -> Path:
    """Big Buck Bunny, 1280x720."""
    return shared("footage") / "bigbuckbunny.mp4"


AnyClip = Clip | str | os.PathLike[str]


@pytest.fixture(scope="session")
def score() -> Callable[..., Result]:
    """score(reference, distorted, **settings): one real measurement by the ffmpeg scorer."""

    def run(reference: AnyClip, distorted: AnyClip, **settings: object) -> Result:
        return measure(MeasureRequest(as_clip(reference), as_clip(distorted), **settings), FfmpegScorer())  # type: ignore[arg-type]

    return run


@dataclass(frozen=True)
class Raw:
    """The outcome of a run of libvmaf's filter by hand."""

    returncode: int
    log: Log | None
    text: str


@pytest.fixture
def libvmaf(tmp_path: Path) -> Callable[..., Raw]:
    """libvmaf(distorted, reference, "model='…'"): run ffmpeg's filter by hand, and read its log."""

    def run(
        distorted: Path, reference: Path, options: str, *, chain: str = "settb=AVTB,setpts=N", fmt: str = "xml"
    ) -> Raw:
        log = tmp_path / f"by-hand.{fmt}"
        log.unlink(missing_ok=True)
        graph = f"[0:v]{chain}[d];[1:v]{chain}[r];[d][r]libvmaf=log_path={log.name}:log_fmt={fmt}:{options}"
        argv = [find_ffmpeg().path, "-nostdin", "-hide_banner", "-i", distorted, "-i", reference]
        argv += ["-lavfi", graph, "-f", "null", "-"]
        end = subprocess.run(argv, cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL)
        text = log.read_text() if log.exists() else ""
        return Raw(end.returncode, read_log(log) if text else None, text)

    return run


@pytest.fixture(scope="session")
def standin(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A stand-in for Netflix's tool `vmaf`, in a Python that starts fast."""
    path = tmp_path_factory.mktemp("stand-in") / "vmaf"
    script = Path(__file__).parent / "plugins" / "standin_vmaf.py"
    lines = [
        "#!/bin/sh",
        'case "$1" in --version) echo 0.0.0-standin >&2; exit 0;; esac',
        f"export STANDIN_FFMPEG={shlex.quote(ffmpeg)}",
        f'exec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(script))} "$@"',
    ]
    path.write_text("\n".join([*lines, ""]))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which this process and its children make their temporary files."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def program(ffmpeg: str, tmp_path: Path) -> Callable[..., Path]:
    """program("ffmpeg -i $1 …", name="my enc"): an executable script in which ffmpeg is the one that scores."""
    if os.name != "posix":
        pytest.skip("the programs are shell scripts")

    def write(*lines: str, name: str = "enc") -> Path:
        path = tmp_path / name
        quiet = f'ffmpeg() {{ {shlex.quote(ffmpeg)} -nostdin -hide_banner -v error -y "$@"; }}'
        path.write_text("\n".join(["#!/bin/sh", quiet, *lines, ""]))
        path.chmod(0o755)
        return path

    return write


@pytest.fixture(scope="session")
def clip(footage: Callable[..., Path]) -> Path:
    """A source that is quick to encode: 192x128, 12 frames at 25 frames/s, yuv420p."""
    return footage("192x128", 12)


@pytest.fixture
def job(ffmpeg: str, clip: Path) -> Callable[..., EncodeJob]:
    """job(encoder, source=clip, **settings): the argument of `make_encode`; known encoders go by name."""

    def make(encoder: Encoder | str, source: Clip | Path = clip, **settings: object) -> EncodeJob:
        chosen = ENCODERS[encoder] if isinstance(encoder, str) else encoder
        return EncodeJob(chosen, inspect(as_clip(source), ffmpeg, 1), ffmpeg, **settings)  # type: ignore[arg-type]

    return make
