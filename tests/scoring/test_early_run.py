"""A scoring that begins before its clips are inspected gives what a plain one gives, or nothing."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf import PairError, Result, Vmaf
from pytest_vmaf.cache.entries import get_or_compute
from pytest_vmaf.media import inspect as inspection, process
from pytest_vmaf.scoring import early_run, prepare
from pytest_vmaf.scoring.early_run import EarlyRun


@pytest.fixture
def clip(make: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """clip("a.mkv", "-c:v", "ffv1"): twenty small frames; no other test has inspected them."""

    def small(name: str, *arguments: object, source: object = None) -> Path:
        scene = (
            ("-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25,format=yuv420p") if source is None else ("-i", source)
        )
        return make(*scene, "-frames:v", 20, *arguments, tmp_path / name)

    return small


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each early run gave a log."""
    given: list[bool] = []
    log_of = EarlyRun.log_of

    def noted(self: EarlyRun, request: object) -> object:
        log = log_of(self, request)  # type: ignore[arg-type]
        given.append(log is not None)
        return log

    # Both runs inspect, other than those of other tests.
    monkeypatch.setattr(inspection, "get_or_compute", get_or_compute)
    monkeypatch.setattr(early_run, "_usual", True)
    monkeypatch.setattr(EarlyRun, "log_of", noted)
    return given


def score_plainly(*clips: Path) -> Result:
    """Score with an inspection first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "_early_run", lambda *request: None)
        return Vmaf().score(*clips)


@pytest.mark.parametrize(
    ("arguments", "is_usual"),
    [
        ((), True),
        (("-frames:v", 3), True),
        (("-vf", "scale=out_range=pc,format=yuv420p", "-color_range", "pc"), False),
    ],
)
def test_same_as_plain(clip, logs, arguments, is_usual):
    reference = clip("a.mkv", *arguments, "-c:v", "ffv1")
    encode = clip("b.mp4", "-c:v", "libx264", "-crf", 40, source=reference)
    early = Vmaf().score(reference, encode)
    assert logs == [is_usual]
    assert early.to_dict() == score_plainly(reference, encode).to_dict()


def test_film_grain(clip, logs):
    """Decoders leave grain out of an early run."""
    reference = clip("a.mkv", "-c:v", "ffv1")
    grain = ("-c:v", "libsvtav1", "-preset", 12, "-svtav1-params", "film-grain=30:film-grain-denoise=0:lp=1")
    encode = clip("b.mkv", *grain, source=reference)
    early = Vmaf().score(reference, encode)
    assert logs == [False]
    assert early.to_dict() == score_plainly(reference, encode).to_dict()


def test_refused_pair(clip, logs):
    """A pair that is refused leaves nothing behind, neither a process nor a thread."""
    reference = clip("a.mkv", "-c:v", "ffv1")
    encode = clip("b.mkv", "-vf", "setfield=tff", "-c:v", "ffv1", source=reference)
    with pytest.raises(PairError, match="interlacing"):
        Vmaf().score(reference, encode)
    assert logs == []
    assert not process._children
    assert not [thread.name for thread in threading.enumerate() if thread.name == "pytest-vmaf"]


def test_changed_clip(clip, logs, monkeypatch):
    """What a clip was before it changed does not count."""
    reference, encode = (clip(name, "-c:v", "ffv1") for name in ("a.mkv", "b.mkv"))
    resolve = prepare.resolve_model

    def write(*arguments: object, **keywords: object) -> object:
        if keywords["width"] == 96:
            with encode.open("ab") as file:
                file.write(b"\0")
        return resolve(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare, "resolve_model", write)
    Vmaf().score(reference, encode)
    assert logs == [False]
