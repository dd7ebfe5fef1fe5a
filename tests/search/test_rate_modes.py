"""Searches by bitrate: the windows that they try, their answers, and what they share between trial encodes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_vmaf import Vmaf
from pytest_vmaf.encoding import run_encoder
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder
from pytest_vmaf.errors import EncodeError, SettingsError
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest
from pytest_vmaf.search.requests import bisect_request, contenders
from pytest_vmaf.search.rows import Row
from search.builders import CEILING, copying, search
from search.row_builders import a_row

X264 = Encoder("libx264", mode="2pass", preset="ultrafast", presets=("ultrafast",))


class RateScorer(FakeScorer):
    """Scores an encode by the bitrate in its file's name: NEG 60 at 100 kbit/s, and 0.01 more for each kbit/s."""

    def __init__(self) -> None:
        super().__init__(self_score=CEILING, frames=8)

    def score(self, request: ScoreRequest) -> ScoreLog:
        rate = re.search(r"-(\d+)k\.", request.distorted.clip.path.name)
        neg = min(59 + int(rate[1]) / 100, CEILING) if rate else CEILING
        return FakeScorer(neg, neg, self_score=CEILING, frames=8).score(request)


def test_answer(short: Path, copy: Encoder) -> None:
    bisection = search(short, replace(copy, mode="bitrate"), 65, 70, scorer=RateScorer())
    # The smallest bitrates of the series at or above 600 and 1100 kbit/s, and their neighbours.
    assert (bisection[65].crf, bisection[65].next_score) == (600, 59 + 5.6)
    assert bisection[70].crf == 1120
    assert bisection[65].why.startswith("NEG 65 of copy: 600 kbit/s (65.000; 560 kbit/s: 64.600), ")
    assert bisection.name == "copy bitrate"
    # Reports show what follows the last slash.
    assert bisection[65].result.context.distorted == "copy bitrate 600k"
    assert "requested kbit/s" in str(bisection)
    assert bisection[65].encode.to_dict()["mode"] == "bitrate"
    # The window that is usual for so small a clip.
    assert max(probe.crf for probe in bisection.probes) < 10_000


def test_window(short: Path, copy: Encoder) -> None:
    encoder = replace(copy, mode="2pass")
    bisection = search(short, encoder, 60, 90, scorer=RateScorer(), crf=(333, 900))
    assert bisection[60].crf == 333
    assert bisection[60].outcome == "met at the coarsest"
    assert "900 kbit/s, the finest, has 68.000" in bisection[90].why
    with pytest.raises(SettingsError, match="bitrate must be two whole numbers from 1 to 1000000"):
        search(short, encoder, 60, crf=(0.5, 900))


def test_ignored(short: Path, encode: Callable[..., Path]) -> None:
    encoder = replace(copying(encode(short, 30)), mode="bitrate")
    with pytest.raises(EncodeError, match=r"copy bitrate ignores the bitrate: \d encodes from \d+ kbit/s to \d+"):
        search(short, encoder, 60, scorer=FakeScorer(70, 70, self_score=CEILING, frames=8))


def test_contenders() -> None:
    base: Any = bisect_request(None, ENCODERS["libx264"], 1)  # type: ignore[arg-type]
    vmaf = Vmaf()
    find = vmaf._context.extensions.encoder
    requests = contenders(find, ["libx264:slow", "libx264:slow:2pass", "libx265:bitrate"], base)
    assert {name: each.encoder.mode for name, each in requests.items()} == {
        "libx264:slow": "crf",
        "libx264:slow:2pass": "2pass",
        "libx265:bitrate": "bitrate",
    }
    assert requests["libx264:slow:2pass"].preset == "slow"
    [common] = contenders(find, ["libx264"], base, mode="2pass").values()
    assert common.encoder.mode == "2pass"
    [own] = contenders(find, {"a": {"encoder": "libx264", "mode": "bitrate"}}, base, mode="2pass").values()
    assert own.encoder.mode == "bitrate"
    for wrong in ({"encoder": "libx264:2pass", "mode": "bitrate"}, {"encoder": "libx264", "mode": "two"}):
        with pytest.raises(SettingsError, match="mode"):
            contenders(find, {"a": wrong}, base)


def test_windows_of_contenders() -> None:
    """A window is for the encoders whose mode it fits, and an error if there are none."""
    base: Any = bisect_request(None, ENCODERS["libx264"], 1)  # type: ignore[arg-type]
    find, names = Vmaf()._context.extensions.encoder, ["libx264:slow", "libx264:slow:2pass"]
    windows = [each.crf for each in contenders(find, names, base, crf=(18, 40)).values()]
    assert windows == [(18, 40), None]
    windows = [each.crf for each in contenders(find, names, base, crf=(18, 40), bitrate=(300, 900)).values()]
    assert windows == [(18, 40), (300, 900)]
    with pytest.raises(SettingsError, match=r"crf= is not for mode='2pass', .*\. Write bitrate=, in kbit/s\."):
        contenders(find, ["libx264"], base, mode="2pass", crf=(18, 40))
    with pytest.raises(SettingsError, match="bitrate= is for mode='bitrate' and mode='2pass', not mode='crf'"):
        contenders(find, ["libx264"], base, bitrate=(300, 900))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"encoder": "libx264:2pass", "crf": 23}, r"crf= is not for mode='2pass', in which libx264 encodes by bitrate"),
        ({"encoder": "libx264", "mode": "bitrate", "crf": 23}, r"Write bitrate=, in kbit/s\."),
        ({"encoder": "./enc {bitrate} -o {output}", "crf": 23}, "crf= is not for mode='bitrate'"),
        ({"encoder": "libx264", "mode": "crf", "bitrate": 300}, "bitrate= is for mode='bitrate' and mode='2pass'"),
        ({"encoder": "libx264", "crf": 23, "bitrate": 300}, "either crf= or, in kbit/s, bitrate="),
        ({"encoder": "libx264"}, "crf= or bitrate= is missing"),
        ({"encoder": "libx264:2pass", "bitrate": 0.5}, "bitrate must be a whole number"),
    ],
)
def test_wrong_number(short: Path, tmp_path: Path, how: Any, message: str) -> None:
    """A CRF is never read as kbit/s."""
    vmaf = Vmaf(cache=False, progress=False)
    with pytest.raises(SettingsError, match=message):
        vmaf.encode(short, tmp_path / "out.mp4", **how)
    with pytest.raises(SettingsError, match=message):
        vmaf.determinism(short, **how)
    sweep = {"sources": short, "output": tmp_path / "rows", "encoders": [how["encoder"]], "mode": how.get("mode")}
    numbers = {f"{name}s": [how[name]] for name in ("crf", "bitrate") if name in how}
    with pytest.raises(SettingsError):
        vmaf.sweep(**sweep, **numbers)


def test_bitrate_alone(short: Path, tmp_path: Path) -> None:
    """Without a mode, a bitrate means one pass."""
    vmaf = Vmaf(cache=False, progress=False)
    encode = vmaf.encode(short, tmp_path / "out.mp4", encoder="libx264:ultrafast", bitrate=300)
    assert (encode.mode, encode.crf) == ("bitrate", 300)


def test_rows() -> None:
    row = a_row(28, 90)
    rated = replace(row, crf=1500, setup=replace(row.setup, mode="2pass"))
    assert Row.from_json(rated.to_json()) == rated
    assert rated.setup != row.setup
    assert "1500 kbit/s" in repr(rated)
    # Rows of old versions have no mode.
    assert Row.from_json(row.to_json().replace(', "mode": "crf"', "")) == row


@pytest.mark.slow
def test_shared_pass(short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libvpx's first pass is run once a search, x264's for each bitrate; with a cache, neither is run again."""
    runs: list[str] = []
    real = run_encoder._run_ffmpeg

    def counted(job: Any, crf: float, argv: tuple[str, ...], which: str = "") -> None:
        runs.append(which)
        real(job, crf, argv, which)

    monkeypatch.setattr(run_encoder, "_run_ffmpeg", counted)
    vmaf = Vmaf(cache=True, cache_dir=tmp_path / "cache", progress=False)
    for encoder, firsts in (("libvpx-vp9:5", 1), ("libx264:ultrafast", None)):
        runs.clear()
        how: Any = {"encoder": encoder, "mode": "2pass", "targets": [1], "bitrate": (200, 600)}
        found = vmaf.bisect(short, workers=2, keep=tmp_path / "kept", **how)
        first, second = (runs.count(f"in the {each} pass ") for each in ("first", "second"))
        assert (first, second) == (firsts or len(found.probes), len(found.probes))
        runs.clear()
        again = vmaf.bisect(short, **how)
        assert [(each.crf, each.score, each.encode.checksum) for each in again.probes] == [
            (each.crf, each.score, each.encode.checksum) for each in found.probes
        ]
        assert not runs
        name = f"{short.stem}-{encoder.replace(':', '-')}-2pass-{found[1].crf}k"
        assert found[1].encode.path is not None
        assert found[1].encode.path.stem == name
    assert len(list((tmp_path / "kept").iterdir())) == 2


@pytest.mark.slow
def test_other_searches(short: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    """A sweep, a ladder and shots in two passes."""
    vmaf = Vmaf(cache=False, progress=False)
    rows = vmaf.sweep(short, encoders=["libx264:ultrafast:2pass"], bitrates=[150, 600], output=tmp_path / "rows.jsonl")
    assert [(row.crf, row.setup.mode) for row in rows] == [(150, "2pass"), (600, "2pass")]
    assert rows[0].seconds is not None
    ladder = vmaf.ladder(short, encoder=X264, resolutions=["96x64"], targets=[1], bitrate=(200, 200))
    assert ladder.rungs[0].name.endswith("k")
    shots = make("-i", short, "-i", short, "-filter_complex", "[1]negate,hflip[n];[0][n]concat", tmp_path / "two.mkv")
    tuned = vmaf.per_shot(shots, encoder=X264, target=1, shortest=4, fixed=False, bitrate=(160, 160))
    assert len(tuned.shots) == 2
    assert tuned.encode.mode == "2pass"
