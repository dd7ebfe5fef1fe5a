"""Bisections: exact answers, the ends of the scale, what is stored, and what is refused."""

from __future__ import annotations

import math
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_vmaf import Vmaf
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.errors import EncodeError, GateViolation, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import ScoreLog, ScoreRequest
from pytest_vmaf.search.bisect_request import BisectRequest, SearchPlan
from pytest_vmaf.search.bisection import Bisection
from pytest_vmaf.search.metric import parse_metric
from pytest_vmaf.search.probe import Probe
from search import builders
from search.builders import NEG, CurveScorer, copying, line, search

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
X264 = ENCODERS["libx264"]
ULTRAFAST = "-preset ultrafast -crf {}"
ByHand = Callable[..., tuple[float, int]]


@pytest.fixture
def by_hand(make: Callable[..., Path], tmp_path: Path, ffmpeg: str) -> ByHand:
    """by_hand(source, "libx264", "-crf 30"): score and bytes of the video of an encode that only ffmpeg made."""

    def run(source: Path, name: str, arguments: str, metric: str = "neg") -> tuple[float, int]:
        path = make("-i", source, "-c:v", name, *arguments.split(), tmp_path / "by-hand.mkv")
        assert count_frames(Clip(path), ffmpeg) == count_frames(Clip(source), ffmpeg)
        chosen = parse_metric(metric)
        result = measure(MeasureRequest(Clip(source), Clip(path), features=chosen.features), FfmpegScorer())
        argv = [ffmpeg, "-nostdin", "-v", "error", "-i", path, "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-"]
        lines = subprocess.check_output(argv, text=True).splitlines()
        size = sum(int(packet.split(",")[4]) for packet in lines if packet.startswith("0,"))
        return float(chosen.of(result)), size

    return run


def real(clip: Path | Clip, *targets: float, **settings: object) -> Bisection:
    """A bisection by x264 and libvmaf."""
    settings.setdefault("preset", "ultrafast")
    settings.setdefault("scorer", FfmpegScorer())
    return search(clip, settings.pop("encoder", X264), *targets, **settings)  # type: ignore[arg-type]


def outcomes(bisection: Bisection) -> list[tuple[float, str, int | None]]:
    return [(a.target, a.outcome, a.probe and a.probe.crf) for a in bisection.answers.values()]


def crfs(probes: tuple[Probe, ...]) -> list[int]:
    return [probe.crf for probe in probes]


# Exact answers.


@pytest.mark.slow
def test_answers_are_exact(plain: Bisection, short: Path, by_hand: ByHand) -> None:
    for target in (60, 80):
        answer = plain[target]
        at, next_at = (by_hand(short, "libx264", ULTRAFAST.format(answer.crf + step)) for step in (0, 1))
        assert (answer.score, answer.next_score) == (at[0], next_at[0])
        assert answer.score >= target > next_at[0]
        # Matroska has one byte or two of its own in a packet where mp4 has none, or the other way round.
        assert answer.size == pytest.approx(at[1], rel=0.01)
        assert answer.bitrate == pytest.approx(answer.size * 8 / 0.32, rel=1e-3)
        assert float(answer.result.neg) == answer.score
        assert answer.encode.frames == 8
    assert len(set(crfs(plain.probes))) == len(plain.probes)


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "target"), [("vmaf", 70), ("neg.min", 60), ("neg.worst_3f", 65), ("psnr_y", 31)])
def test_every_kind_of_metric(metric: str, target: float, short: Path, by_hand: ByHand) -> None:
    answer = real(short, target, metric=parse_metric(metric), crf=(30, 41))[target]
    assert answer.outcome == "met"
    assert by_hand(short, "libx264", ULTRAFAST.format(answer.crf), metric)[0] == answer.score


@pytest.mark.slow
@pytest.mark.parametrize(("pix_fmt", "more"), [("yuv422p10le", {}), ("yuv444p", {"pix_fmt": "yuv420p"})])
def test_pixel_formats(
    pix_fmt: str, more: dict[str, str], make: Callable[..., Path], short: Path, by_hand: ByHand, tmp_path: Path
) -> None:
    source = make("-i", short, "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "source.mkv")
    answer = real(source, 70, crf=(32, 37), **more)[70]
    encoded_as = more.get("pix_fmt", pix_fmt)
    assert by_hand(source, "libx264", f"{ULTRAFAST.format(answer.crf)} -pix_fmt {encoded_as}")[0] == answer.score
    assert answer.result.provenance["pix_fmt"] == encoded_as


def test_raw_video_without_a_frame_rate(make: Callable[..., Path], short: Path, copy: Encoder, tmp_path: Path) -> None:
    raw = Clip(make("-i", short, "-f", "rawvideo", tmp_path / "raw.yuv"), width=192, height=128)
    with pytest.raises(EncodeError, match=r"raw\.yuv states no frame rate"):
        search(raw, copy, 70)
    with pytest.raises(SettingsError, match=r"raw\.yuv states no frame rate, so it has no seconds\. Use Clip\("):
        search(raw, copy, 70, sample=0.2)


def test_targets_share_encodes(short: Path, copy: Encoder) -> None:
    alone = search(short, copy, 60)
    together = search(short, copy, 60, 60.5, 61)
    assert together[60].crf == alone[60].crf == 26
    assert len(together.probes) < 3 * len(alone.probes)


@pytest.mark.slow
def test_real_workers_and_threads(plain: Bisection, short: Path) -> None:
    mine, theirs = real(short, 60, crf=(36, 39), workers=2, scoring={"threads": 2})[60], plain[60]
    assert (mine.crf, mine.score, mine.next_score, mine.size) == (
        theirs.crf, theirs.score, theirs.next_score, theirs.size,
    )  # fmt: skip


@pytest.mark.slow
def test_workers(short: Path, copy: Encoder) -> None:
    one, two = (search(short, copy, 60, 80, workers=workers) for workers in (1, 2))
    assert outcomes(one) == outcomes(two)


def test_much_motion_saves_encodes(short: Path, copy: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-score, before it is clipped to 100, says how steeply the scores will fall."""

    def curve(crf: float) -> float:
        return 105 / (1 + math.exp(0.13 * (crf - 38)))

    made = []
    for self_score in (99.99, 105.0):
        monkeypatch.setattr(builders, "CEILING", self_score)
        made.append(search(short, copy, 94, 96, 97, 98, curve=curve))
    still, moving = made
    assert moving.ceiling == 100
    assert outcomes(moving) == outcomes(still)
    assert len(moving.probes) < len(still.probes)


@pytest.mark.slow
def test_order_of_probes(short: Path, encode: Callable[..., Path]) -> None:
    """It does not depend on which worker finishes first."""
    file = encode(short, 30).read_bytes()

    def finer_last(source: Path, output: Path, crf: int) -> None:
        time.sleep((51 - crf) / 100)
        output.write_bytes(file)

    def coarser_last(source: Path, output: Path, crf: int) -> None:
        time.sleep(crf / 100)
        output.write_bytes(file)

    one, two = (search(short, function_encoder(function), 60, 80, workers=2) for function in (finer_last, coarser_last))
    assert crfs(one.probes) == crfs(two.probes)


def test_feature_as_the_metric(short: Path, copy: Encoder) -> None:
    metric = parse_metric("psnr_y")
    bisection = search(short, copy, 30, metric=metric)
    assert bisection.ceiling == 49.75
    assert (bisection[30].crf, bisection[30].score, bisection[30].next_score) == (26, 30.5, 29.75)
    assert repr(bisection[30]).startswith("<psnr_y 30 of copy: CRF 26 (30.500; CRF 27: 29.750), ")


def test_features_of_the_self_score(short: Path, copy: Encoder) -> None:
    # psnr_hvs is infinite for the reference compared with itself.
    scorer = CurveScorer()
    bisection = search(short, copy, 60, scorer=scorer, scoring={"features": ("psnr_hvs",)})
    assert "psnr_hvs" not in scorer.columns[0]
    assert bisection[60].result["psnr_hvs"] == 30.5


# The ends of the scale, and targets that are not met.


@pytest.mark.slow
def test_target_above_the_ceiling_costs_no_encode(plain: Bisection, short: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    bisection = search(short, function_encoder(lambda source, output, crf: ran.write_text("")), 99.9)
    assert bisection.probes == ()
    assert not ran.exists()
    assert outcomes(bisection) == [(99.9, "above the ceiling", None)]
    assert bisection[99.9].why == "NEG 99.9 of <lambda> cannot be reached: the reference itself has 99.500"
    assert plain.ceiling == pytest.approx(99.68, abs=0.01)
    assert not plain.met


def test_target_below_the_finest(short: Path, copy: Encoder) -> None:
    bisection = search(short, copy, 90, crf=(35, 51))
    assert outcomes(bisection) == [(90, "below at the finest", None)]
    assert bisection[90].why == "NEG 90 of copy is not reached: CRF 35, the finest, has 47.500"


def test_target_met_at_the_coarsest(short: Path, copy: Encoder) -> None:
    answer = search(short, copy, 20, crf=(20, 30))[20]
    assert (answer.outcome, answer.crf, answer.next_score, answer.met) == ("met at the coarsest", 30, None, True)
    assert answer.why.startswith("NEG 20 of copy: CRF 30 (55.000), the coarsest, ")


@pytest.mark.parametrize("name", ["crf", "score", "next_score", "bitrate", "size", "encode", "result"])
def test_unmet_answer_fails_the_test(name: str, plain: Bisection) -> None:
    with pytest.raises(GateViolation, match=r"^NEG 99\.9 of libx264 cannot be reached: the reference itself has 99\.6"):
        getattr(plain[99.9], name)


def test_table(short: Path, copy: Encoder) -> None:
    bisection = search(short, copy, 10, 70, 95, 99.9, crf=(15, 40))
    head, columns, *rows = str(bisection).splitlines()
    assert head == f"copy on {short}: NEG, ceiling 99.50, {len(bisection.probes)} encodes"
    assert columns.split() == ["target", "CRF", "NEG", "next", "kbit/s", "bytes", "outcome"]
    rate, size = f"{bisection[70].bitrate / 1000:.1f}", str(bisection[70].size)
    assert rows[1].split() == ["70", "20", "70.000", "68.500", rate, size, "met"]
    assert [row.split()[1] for row in rows] == ["40", "20", "–", "–"]
    assert [row.split(maxsplit=6)[-1] for row in rows] == [
        "met at the coarsest", "met", "below at the finest", "above the ceiling",
    ]  # fmt: skip
    assert repr(bisection).count("NEG") == 4


def test_answer_and_mapping(plain: Bisection) -> None:
    answer = plain[60]
    assert repr(answer) == (
        f"<NEG 60 of libx264: CRF {answer.crf} ({answer.score:.3f}; CRF {answer.crf + 1}: {answer.next_score:.3f}), "
        f"{answer.bitrate / 1000:.1f} kbit/s>"
    )
    assert (list(plain), 80 in plain, 81 in plain) == ([60, 80, 99.9], True, False)
    with pytest.raises(KeyError, match=r"81 is not a target of this search; targets are 60, 80, 99\.9\."):
        plain[81]


def test_window_of_one_crf(short: Path, copy: Encoder) -> None:
    bisection = search(short, copy, 40, 90, crf=(33, 33))
    assert crfs(bisection.probes) == [33]
    assert outcomes(bisection) == [(40, "met at the coarsest", 33), (90, "below at the finest", None)]


# Scales on which a larger number is finer.


#: x264 behind a scale on which 51 is the finest.
MIRROR = 'ffmpeg -i "$1" -c:v libx264 -preset ultrafast -crf $((51 - $2)) "$3"'


def mirrored(crf: int) -> float:
    return line(51 - crf)


@pytest.mark.slow
def test_real_mirrored_scale(plain: Bisection, program: Callable[..., Path], short: Path, tmp_path: Path) -> None:
    command = [str(program(MIRROR)), "{input}", "{crf}", "{output}"]
    encoder = Encoder("enc", command=tuple(command), larger_is_finer=True, slope=X264.slope)
    bisection = search(short, encoder, 60, scorer=FfmpegScorer(), crf=(13, 15), keep=tmp_path / "kept")
    mine, theirs = bisection[60], plain[60]
    assert mine.crf == 51 - theirs.crf
    assert (mine.score, mine.next_score, mine.size) == (theirs.score, theirs.next_score, theirs.size)
    assert mine.encode.path is not None
    assert re.fullmatch(rf"{short.stem}-enc-[0-9a-f]{{6}}-crf{mine.crf}\.mp4", mine.encode.path.name)


@pytest.mark.slow
def test_mirrored_scale(short: Path, encode: Callable[..., Path]) -> None:
    # On such a scale, scores rise with the number.
    encoder = copying(encode(short, 30), larger_is_finer=True, slope=0.13)
    bisection = search(short, encoder, 60, 80, 99.9, curve=mirrored)
    straight = search(short, copying(encode(short, 30), slope=-0.13), 60, 80, 99.9)
    assert [51 - crf for crf in crfs(bisection.probes)] == crfs(straight.probes)
    assert outcomes(bisection) == [(60, "met", 25), (80, "met", 38), (99.9, "above the ceiling", None)]
    assert bisection[60].next_probe is not None
    assert bisection[60].next_probe.crf == 24


def test_mirrored_window_and_start(short: Path, encode: Callable[..., Path]) -> None:
    encoder = copying(encode(short, 30), larger_is_finer=True)
    bisection = search(short, encoder, 10, 60, 99, curve=mirrored, crf=(11, 30))
    assert outcomes(bisection)[:2] == [(10, "met at the coarsest", 11), (60, "met", 25)]
    assert bisection[99].why == "NEG 99 of copy is not reached: CRF 30, the finest, has 68.500"
    assert bisection[60].why.startswith("NEG 60 of copy: CRF 25 (61.000; CRF 24: 59.500), ")
    again = search(short, encoder, 60, curve=mirrored, crf=(11, 30), start={60: 25})
    assert crfs(again.probes) == [25, 24]


def test_wrong_direction_is_not_monotone(short: Path, copy: Encoder) -> None:
    bisection = search(short, copy, 60, curve=mirrored)
    assert bisection[60].outcome == "not monotone"
    assert not bisection.met
    with pytest.raises(GateViolation, match=r"NEG 60 of copy has no single CRF, because the scores do not fall: CRF"):
        _ = bisection[60].crf


def test_wrong_direction_of_two_encodes(short: Path, encode: Callable[..., Path]) -> None:
    small, large = encode(short, 40), encode(short, 10)

    def reverse(source: Path, output: Path, crf: int) -> None:
        output.write_bytes((large if crf > 45 else small).read_bytes())

    with pytest.raises(EncodeError, match=r"seems to run the other way: CRF \d+ .*\n.*larger_is_finer=True"):
        search(short, function_encoder(reverse), 20, curve=mirrored, crf=(29, 51))


# Where the search begins.


@pytest.mark.slow
def test_start_saves_encodes(short: Path, copy: Encoder) -> None:
    bisection = search(short, copy, 60, 80)
    again = search(short, copy, 60, 80, start={target: bisection[target].crf for target in (60, 80)})
    assert outcomes(again) == outcomes(bisection)
    assert len(again.probes) < len(bisection.probes)
    assert set(crfs(again.probes)) == {13, 14, 26, 27}


@pytest.mark.parametrize("start", [{60: 0, 80: 999, 90: 30}], ids=repr)
def test_wrong_start_changes_no_answer(start: dict[float, int], short: Path, copy: Encoder) -> None:
    assert outcomes(search(short, copy, 60, 80, start=start)) == [(60, "met", 26), (80, "met", 13)]


# A part of the source.


def test_points_depend_on_the_answers_alone(short: Path, copy: Encoder) -> None:
    plan = SearchPlan(cover=True, points=6)
    ways = [search(short, copy, 60, 80, plan=plan, start=start) for start in ({}, {60: 40, 80: 2})]
    assert crfs(ways[0].probes) != crfs(ways[1].probes)
    assert {probe.crf for probe in ways[0].points} == {probe.crf for probe in ways[1].points} > {13, 14, 26, 27}
    assert all(probe.result is None for each in ways for probe in each.probes if probe not in each.points)


@pytest.mark.slow
def test_real_sample(reference: Path, make: Callable[..., Path], tmp_path: Path) -> None:
    bisection = real(reference, 70, sample=0.4, crf=(30, 40))
    cut = "trim=start_frame=7:end_frame=17,setpts=PTS-STARTPTS"
    part = make("-i", reference, "-vf", cut, "-c:v", "ffv1", tmp_path / "part.mkv")
    crf = bisection[70].crf
    of_part = real(Clip(part, frame_rate=25), 70, crf=(crf, crf))
    assert bisection[70].score == of_part[70].score
    assert (bisection[70].size, bisection[70].bitrate) == (of_part[70].size, of_part[70].bitrate)
    assert bisection.ceiling == of_part.ceiling


@pytest.mark.parametrize(("seconds", "sample"), [(0.16, (2, 4)), (99, (0, 8))])
@pytest.mark.slow
def test_sample(seconds: float, sample: tuple[int, int], short: Path, encode: Callable[..., Path]) -> None:
    cut = encode(short, 30, None, "-frames:v", str(sample[1]), name=f"{sample[1]}.mp4")
    bisection = search(short, copying(cut), 60, scorer=CurveScorer(frames=sample[1]), sample=seconds)
    assert (bisection.sample, bisection.reference) == (sample, str(short))
    assert bisection[60].encode.frames == sample[1]
    last = sum(sample) - 1
    assert f"on {short}, frames {sample[0]} to {last}: " in str(bisection)
    assert bisection.self_score.context.reference == f"{short}, frames {sample[0]} to {last}"


# What is stored, and what is removed.


def test_keep_stores_only_the_answers(plain: Bisection, plain_folder: Path, short: Path, ffmpeg: str) -> None:
    paths = {plain[target].encode.path for target in (60, 80)}
    assert paths == set(plain_folder.iterdir())
    assert len(plain.probes) > len(paths)
    for target in (60, 80):
        path = plain[target].encode.path
        assert path is not None
        assert path.name == f"{short.stem}-libx264-ultrafast-crf{plain[target].crf}.mp4"
        assert count_frames(Clip(path), ffmpeg) == 8
        assert float(measure(MeasureRequest(Clip(short), Clip(path)), FfmpegScorer()).neg) == plain[target].score
    assert {probe.encode.path for probe in plain.probes} == paths | {None}


def test_without_keep_no_file_remains(short: Path, copy: Encoder, temp: Path) -> None:
    assert search(short, copy, 60)[60].encode.path is None
    assert not list(temp.iterdir())


def test_targets_with_one_answer_share_a_file(short: Path, copy: Encoder, tmp_path: Path) -> None:
    bisection = search(short, copy, 60, 60.001, keep=tmp_path / "kept")
    assert bisection[60].encode.path == bisection[60.001].encode.path
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_failure_stores_what_was_finished(
    short: Path, encode: Callable[..., Path], temp: Path, tmp_path: Path, ffmpeg: str
) -> None:
    file = encode(short, 30)

    def fragile(source: Path, output: Path, crf: int) -> None:
        if crf <= 25:
            raise RuntimeError("no licence for this quality")
        output.write_bytes(file.read_bytes())

    folder = tmp_path / "kept"
    with pytest.raises(EncodeError, match=r"fragile raised RuntimeError at CRF .*no licence") as caught:
        search(short, function_encoder(fragile), 60, 92, keep=folder, start={60: 26})
    probes = caught.value.probes
    assert 26 in crfs(probes)
    scores = "; ".join(f"CRF {probe.crf}: {probe.score:.3f}" for probe in probes)
    assert caught.value.__notes__ == [f"Trial encodes finished before: {scores}."]
    assert {probe.encode.path for probe in probes} == set(folder.iterdir())
    assert all(count_frames(Clip(path), ffmpeg) == 8 for path in folder.iterdir())
    assert not list(temp.iterdir())


def test_failure_before_any_encode(short: Path, temp: Path) -> None:
    def fragile(source: Path, output: Path, crf: int) -> None:
        raise RuntimeError("no licence")

    with pytest.raises(EncodeError) as caught:
        search(short, function_encoder(fragile), 60)
    assert caught.value.probes == ()
    assert not hasattr(caught.value, "__notes__")
    assert not list(temp.iterdir())


def test_refused_worker(short: Path, copy: Encoder, temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("probe"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ScorerError, match=r"The system refused a thread .*\n.*workers="):
        search(short, copy, 60, workers=2)
    assert not list(temp.iterdir())


def test_ctrl_c_stores_what_was_finished(short: Path, encode: Callable[..., Path], temp: Path, tmp_path: Path) -> None:
    file, made = encode(short, 30), list[int]()

    def interrupted(source: Path, output: Path, crf: int) -> None:
        output.write_bytes(file.read_bytes())
        made.append(crf)
        if len(made) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(short, function_encoder(interrupted), 60, keep=tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [f"{short.stem}-interrupted-crf{made[0]}.mp4"]
    assert not list(temp.iterdir())


@linux
@pytest.mark.slow
@pytest.mark.parametrize(("sent", "workers"), [(signal.SIGINT, 1), (signal.SIGKILL, 2)])
def test_no_encoder_outlives_the_search(
    sent: signal.Signals, workers: int, program: Callable[..., Path], short: Path, temp: Path
) -> None:
    enc = program("echo half > $2", 'echo $$ > "$0.part"; mv "$0.part" "$0.pid"', "exec sleep 60")
    code = f"""
        from pytest_vmaf import Vmaf
        Vmaf().bisect({str(short)!r}, encoder=[{str(enc)!r}, "{{crf}}", "{{output}}", "{{input}}"], targets=[60],
                      workers={workers})
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.PIPE)
    pid = Path(f"{enc}.pid")
    until = time.monotonic() + 30
    while not pid.exists() and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(sent)
    _, errors = child.communicate(timeout=30)
    assert child.returncode != 0
    assert gone(int(pid.read_text()))
    if sent is signal.SIGINT:
        assert b"KeyboardInterrupt" in errors
        assert not list(temp.iterdir())


def gone(pid: int) -> bool:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@linux
def test_encoder_killed_by_a_signal(short: Path, program: Callable[..., Path], temp: Path) -> None:
    enc = program("echo half > $2", "kill -KILL $$")
    with pytest.raises(EncodeError, match=r"enc failed at CRF \d+: it was killed by SIGKILL"):
        search(short, command_encoder([str(enc), "{crf}", "{output}", "{input}"]), 60)
    assert not list(temp.iterdir())


@pytest.mark.slow
def test_time_limit_of_a_program(short: Path, program: Callable[..., Path], temp: Path) -> None:
    encoder = command_encoder([str(program("sleep 60")), "{crf}", "{output}", "{input}"])
    with pytest.raises(ScorerError, match="The time limit of 2 s was exceeded"):
        search(short, encoder, 60, scoring={"timeout": 2})
    assert not list(temp.iterdir())


def test_os_error_of_the_search(short: Path, copy: Encoder, temp: Path) -> None:
    class FullDisk(CurveScorer):
        def score(self, request: ScoreRequest) -> ScoreLog:
            if len(self.columns) == 2:
                raise OSError(28, "No space left on device")
            return super().score(request)

    with pytest.raises(ScorerError, match=r"The scorer FullDisk failed in score .*No space left") as caught:
        search(short, copy, 60, scorer=FullDisk())
    assert len(caught.value.probes) == 1
    assert not list(temp.iterdir())


FULL_DISK = """
    import resource, sys
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
    from pytest_vmaf import MeasurementError, Vmaf
    from pytest_vmaf.encoding.encoders import Encoder
    source, program = sys.argv[1:]
    for encoder in ("libx264:ultrafast", Encoder("enc", command=(program, "{crf}"), suffix=".mkv")):
        try:
            Vmaf().bisect(source, encoder=encoder, targets=[60, 95], crf=(10, 40))
        except MeasurementError as error:
            print(all(probe.encode.size < 12_000 for probe in error.probes))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of the size of files")
def test_full_disk(short: Path, program: Callable[..., Path], temp: Path) -> None:
    # At 95, encodes are much larger than at 60; between them this disk is full. The second way is by standard output.
    enc = program('ffmpeg -i - -c:v libx264 -preset ultrafast -crf "$1" -f matroska -')
    command = [sys.executable, "-B", "-c", textwrap.dedent(FULL_DISK), short, enc]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.stdout.split() == ["True", "True"], child.stderr
    assert not list(temp.iterdir())


def test_keep_that_is_not_a_folder(short: Path, copy: Encoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        search(short, copy, 60, keep=tmp_path / "file")


# Encoders that ignore what the search sets.


def test_encoder_that_ignores_the_crf(short: Path, copy: Encoder) -> None:
    with pytest.raises(
        EncodeError, match=r"copy ignores the CRF: \d+ encodes from CRF \d+ to \d+ have the same \d+ bytes"
    ) as caught:
        search(short, copy, 60, curve=lambda crf: 50)
    assert len(caught.value.probes) > 1
    # Targets that a single encode at an end of the scale would answer.
    for target in (20, 95):
        with pytest.raises(EncodeError, match="copy ignores the CRF: 3 encodes from CRF 20 to 30"):
            search(short, copy, target, curve=lambda crf: 50, crf=(20, 30))
    assert search(short, copy, 20, curve=lambda crf: 50, crf=(20, 30), plan=SearchPlan(flat=True)).met


def test_picture_with_little_in_it(short: Path, copy: Encoder) -> None:
    # All encodes but the finest are the same.
    bisection = search(short, copy, 40, curve=lambda crf: 50 + (crf == 20), crf=(20, 30))
    assert bisection[40].outcome == "met at the coarsest"


@pytest.mark.slow
def test_arguments_that_override_the_crf(short: Path) -> None:
    with pytest.raises(EncodeError, match="libx264 ultrafast ignores the CRF"):
        real(short, 60, crf=(36, 38), arguments=("-x264-params", "qp=30"))


def test_source_that_is_written_to(short: Path, encode: Callable[..., Path], tmp_path: Path) -> None:
    mine, file = tmp_path / "mine.mkv", encode(short, 30)
    mine.write_bytes(short.read_bytes())

    def touch(source: Path, output: Path, crf: int) -> None:
        output.write_bytes(file.read_bytes())
        mine.write_bytes(mine.read_bytes() + b"\0")

    with pytest.raises(EncodeError, match="was written to during the search, so the trial encodes are not of one clip"):
        search(mine, function_encoder(touch), 60)


@pytest.mark.parametrize(
    ("encoder", "settings", "error", "message"),
    [
        ("libx264", {"arguments": ("-crf", "20")}, SettingsError, "-crf"),
        ("libx264", {"preset": "ultrafst"}, SettingsError, "Did you mean 'ultrafast'"),
        ("h264_videotoolbox", {}, EncodeError, "was built without the encoder h264_videotoolbox"),
    ],
)
def test_encoder_settings(
    encoder: str, settings: dict[str, object], error: type[Exception], message: str, short: Path
) -> None:
    with pytest.raises(error, match=message):
        search(short, ENCODERS[encoder], 60, **settings)


# Scorers.


def test_fake_scorer_has_real_encodes(short: Path) -> None:
    answer = real(short, 93, scorer=FakeScorer(neg=93, frames=8), crf=(20, 24))[93]
    assert answer.outcome == "met at the coarsest"
    assert answer.result.provenance["fake"]
    assert answer.size > 0


# Settings.


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ((), "targets is empty"),
        ((100.5,), r"A target of NEG must be between 1 and 100, not 100\.5"),
        # Every encode would meet a target that is meant as a share.
        ((0.94,), r"A target of NEG must be between 1 and 100, not 0\.94"),
        ((float("nan"),), "between 1 and 100, not nan"),
        ((60.0, 70.0, 60.0), "Every target must be given once, not 60, 70, 60"),
    ],
)
def test_targets(targets: tuple[float, ...], message: str, short: Path, copy: Encoder) -> None:
    with pytest.raises(SettingsError, match=message):
        search(short, copy, *targets)


@pytest.mark.parametrize("target", [0, float("inf")])
def test_targets_of_a_feature(target: float, short: Path, copy: Encoder) -> None:
    metric = parse_metric("psnr_y")
    with pytest.raises(SettingsError, match="A target of psnr_y must be a finite number above 0"):
        search(short, copy, target, metric=metric)
    assert search(short, copy, 101, metric=metric)[101].outcome == "above the ceiling"


@pytest.mark.parametrize(
    "crf", [(30, 20), (-1, 20), (20, 52), (20.0, 30.0), (20,), (20, 25, 30), 25, "20", (True, 30), {20: 30}], ids=repr
)
def test_crf_window(crf: object, short: Path) -> None:
    scoring = MeasureRequest(Clip(short), Clip(short))
    with pytest.raises(SettingsError, match=r"crf must be two whole numbers from 0 to 51 for libx264, the smaller one"):
        _ = BisectRequest(scoring, X264, (60,), NEG, crf=crf).steps  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "values", "message"),
    [
        ("sample", [0, -1, float("nan"), float("inf"), "2", True], "sample must be a number of seconds above 0"),
        ("workers", [0, 1.5, "2", True], "workers must be a whole number of at least 1"),
        ("workers", [10**6, 10**9], r"workers must be at most \d+ on this machine, which has \d+ cores?, not 10{6}"),
        ("repeats", [0, 1.5, 101, True], "repeats must be a whole number from 1 to 100"),
    ],
)
def test_numbers(setting: str, values: list[object], message: str, short: Path, copy: Encoder) -> None:
    for value in values:
        with pytest.raises(SettingsError, match=message):
            search(short, copy, 60, **{setting: value})


@pytest.mark.slow
def test_repeats(short: Path, copy: Encoder) -> None:
    bisection = search(short, copy, 60, 80, 95, crf=(10, 40), repeats=3)
    assert {crf: len(probes) for crf, probes in bisection.repeats.items()} == {13: 2, 26: 2}
    levels = [(each.crf, each.level, len(each.encodes)) for each in bisection.determinism]
    assert levels == [(13, "bitstream", 3), (26, "bitstream", 3)]


def test_progress(short: Path, copy: Encoder) -> None:
    calls: list[tuple[int, float]] = []
    bisection = search(short, copy, 60, plan=SearchPlan(progress=lambda *numbers: calls.append(numbers)))
    assert [done for done, _ in calls] == list(range(1, len(bisection.probes) + 1))
    assert calls[-1][1] == len(bisection.probes)
    assert all(expected >= done for done, expected in calls)


@pytest.mark.slow
def test_source_other_than_the_reference(
    plain: Bisection, short: Path, make: Callable[..., Path], by_hand: ByHand, tmp_path: Path
) -> None:
    source = Clip(make("-i", short, "-vf", "gblur=0.4", "-c:v", "ffv1", tmp_path / "soft.mkv"))
    soft = real(short, 60, crf=(30, 40), plan=SearchPlan(source))
    assert soft.ceiling == float(measure(MeasureRequest(Clip(short), source), FfmpegScorer()).neg)
    assert soft.ceiling < plain.ceiling
    path = make("-i", source.path, "-c:v", "libx264", *ULTRAFAST.format(soft[60].crf).split(), tmp_path / "o.mkv")
    assert float(measure(MeasureRequest(Clip(short), Clip(path)), FfmpegScorer()).neg) == soft[60].score


@pytest.mark.slow
def test_ten_bit_source_of_a_program(
    short: Path, program: Callable[..., Path], make: Callable[..., Path], tmp_path: Path
) -> None:
    source = make("-i", short, "-pix_fmt", "yuv420p10le", "-c:v", "ffv1", tmp_path / "source.mkv")
    enc = program('ffmpeg -i - -c:v libx264 -preset ultrafast -crf "$1" "$2"')
    encoder = command_encoder([str(enc), "{crf}", "{output}"])
    piped = search(source, encoder, 1, scorer=FfmpegScorer(), crf=(34, 34))
    direct = real(source, 1, crf=(34, 34))
    assert (piped[1].crf, piped[1].score) == (direct[1].crf, direct[1].score)


@pytest.fixture(autouse=True)
def clean(tmp_path: Path) -> Iterator[None]:
    """No search leaves its temporary folder inside the folder where it stores encodes."""
    yield
    assert not list(tmp_path.rglob(".pytest-vmaf-*"))


@pytest.mark.slow
def test_enhanced_answer_has_a_note(clip) -> None:
    vmaf = Vmaf(cache=False)
    options = {"encoder": "libx264:ultrafast", "targets": [60], "crf": (24, 44)}
    enhanced = vmaf.bisect(clip, **options, arguments="-vf unsharp=5:5:1.5")
    [note] = enhanced.notes
    assert re.fullmatch(r"at 60, enhancement \d+\.\d is above 12.5, the limit of check: the encoder, .* sharpens", note)
    assert f"note: {note}" in str(enhanced)
    assert vmaf.bisect(clip, **options).notes == ()
