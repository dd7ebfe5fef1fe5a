"""Bisect targets: exact answers with every way to encode, what is refused, and that nothing stays behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer

from pytest_vmaf.encoding.cut import cut
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.errors import EncodeError, GateViolation, MeasurementError, PairError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip, as_clip
from pytest_vmaf.media.inspect import count_frames
from pytest_vmaf.scoring.fake import FakeScorer
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.scorer import EncodeStep, ScoreLog, ScoreRequest, Tools
from pytest_vmaf.search.bisect import Answer, Bisection, BisectRequest, bisect
from pytest_vmaf.search.probe import Probe, parse_metric

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

#: Of every software encoder: preset, window, and how ffmpeg is told a CRF by hand.
WINDOWS = {
    "libx264": ("veryfast", (22, 30), "-preset veryfast -crf {}"),
    "libx265": ("ultrafast", (24, 30), "-preset ultrafast -crf {}"),
    "libsvtav1": ("12", (40, 46), "-preset 12 -crf {}"),
    "libaom-av1": ("8", (42, 48), "-cpu-used 8 -row-mt 1 -crf {} -b:v 0"),
    "libvpx-vp9": ("5", (44, 50), "-deadline good -cpu-used 5 -row-mt 1 -crf {} -b:v 0"),
    "libvvenc": ("faster", (28, 34), "-preset faster -qp {}"),
    "librav1e": ("10", (130, 136), "-speed 10 -qp {}"),
}
ULTRAFAST = "-preset ultrafast -crf {}"
Search = Callable[..., Bisection]


@pytest.fixture(scope="session")
def short(footage: Callable[..., Path]) -> Path:
    """Eight frames of 192x128 pixels."""
    return footage("192x128", 8)


@pytest.fixture
def search(short: Path) -> Search:
    """search(encoder="libx264", 70, 80, source=…, **settings): one bisection, by default of the short clip."""

    def run(
        encoder: Encoder | str = "libx264",
        *targets: float,
        source: Clip | Path = short,
        scorer: object = None,
        scoring: dict[str, object] | None = None,
        **settings: object,
    ) -> Bisection:
        clip = as_clip(source)
        chosen = ENCODERS[encoder] if isinstance(encoder, str) else encoder
        if encoder == "libx264":
            settings.setdefault("preset", "ultrafast")
        request = MeasureRequest(clip, clip, **(scoring or {}))  # type: ignore[arg-type]
        return bisect(BisectRequest(request, chosen, targets, **settings), scorer or FfmpegScorer())  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def plain(short: Path) -> Callable[..., Bisection]:
    """plain(60, 80): what x264 needs for the short clip, bisected once a session."""
    found: dict[tuple[float, ...], Bisection] = {}

    def known(*targets: float) -> Bisection:
        if targets not in found:
            scoring = MeasureRequest(Clip(short), Clip(short))
            request = BisectRequest(scoring, ENCODERS["libx264"], targets, preset="ultrafast")
            found[targets] = bisect(request, FfmpegScorer())
        return found[targets]

    return known


@pytest.fixture
def by_hand(make: Callable[..., Path], tmp_path: Path, ffmpeg: str) -> Callable[..., tuple[float, int]]:
    """by_hand(source, "libx264", "-crf 30"): NEG and bytes of the video of an encode that only ffmpeg made."""

    def run(source: Path, name: str, arguments: str, metric: str = "neg") -> tuple[float, int]:
        path = make("-i", source, "-c:v", name, *arguments.split(), tmp_path / "by-hand.mkv")
        assert count_frames(Clip(path), ffmpeg) == count_frames(Clip(source), ffmpeg)
        result = measure(MeasureRequest(Clip(source), Clip(path)), FfmpegScorer())
        argv = [ffmpeg, "-nostdin", "-v", "error", "-i", path, "-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-"]
        lines = subprocess.check_output(argv, text=True).splitlines()
        size = sum(int(line.split(",")[4]) for line in lines if line.startswith("0,"))
        return float(parse_metric(metric).of(result)), size

    return run


def outcomes(found: Bisection) -> list[tuple[float, str, int | None]]:
    return [(a.target, a.outcome, a.probe and a.probe.crf) for a in found.answers.values()]


def scores(probes: Sequence[Probe]) -> dict[int, float]:
    return {probe.crf: probe.score for probe in probes}


# Exact answers.


@pytest.mark.parametrize("name", WINDOWS)
def test_the_answer_of_every_software_encoder_is_what_encodes_by_hand_say(
    name: str, search: Search, short: Path, by_hand: Callable[..., tuple[float, int]]
) -> None:
    preset, window, arguments = WINDOWS[name]
    answer = search(name, 78, preset=preset, crf=window)[78]
    assert answer.outcome == "met"
    assert answer.met
    at, next_at = (by_hand(short, name, arguments.format(answer.crf + step)) for step in (0, 1))
    assert (answer.score, answer.next_score) == (at[0], next_at[0])
    assert answer.score >= 78 > next_at[0]
    # Matroska has one byte or two of its own in a packet where mp4 has none, or the other way round.
    assert answer.size == pytest.approx(at[1], rel=0.01)
    assert answer.bitrate == pytest.approx(answer.size * 8 / 0.32, rel=1e-3)
    assert float(answer.result.neg) == answer.score
    assert answer.encode.frames == 8


def test_several_targets_share_their_encodes(
    search: Search, plain: Search, short: Path, by_hand: Callable[..., tuple[float, int]]
) -> None:
    found = plain(60, 80)
    assert found.met
    for target, answer in found.answers.items():
        assert by_hand(short, "libx264", ULTRAFAST.format(answer.crf))[0] == answer.score >= target
        assert by_hand(short, "libx264", ULTRAFAST.format(answer.crf + 1))[0] == answer.next_score < target
    crfs = [probe.crf for probe in found.probes]
    assert len(crfs) == len(set(crfs))
    near, alone = search("libx264", 60, 62, 64, crf=(34, 40)), search("libx264", 60, crf=(34, 40))
    assert near[60].crf == alone[60].crf
    assert len(near.probes) < 3 * len(alone.probes)


@pytest.mark.parametrize(("metric", "target"), [("vmaf", 70), ("neg.min", 60), ("psnr_y", 31)])
def test_any_metric_may_be_the_target(
    metric: str, target: float, search: Search, short: Path, make: Callable[..., Path], tmp_path: Path
) -> None:
    known = parse_metric(metric)
    answer = search("libx264", target, metric=known, crf=(30, 41))[target]
    assert answer.outcome == "met"
    for step, score in ((0, answer.score), (1, answer.next_score)):
        path = make("-i", short, "-c:v", "libx264", *ULTRAFAST.format(answer.crf + step).split(), tmp_path / "o.mkv")
        assert (
            known.of(measure(MeasureRequest(Clip(short), Clip(path), features=known.features), FfmpegScorer())) == score
        )
    assert answer.score >= target > (answer.next_score or 0)
    assert str(answer).startswith(f"<{known} {target:g} of libx264: CRF {answer.crf} (")


def test_features_that_are_infinite_for_the_reference_itself_may_go_along(search: Search) -> None:
    found = search("libx264", 70, crf=(30, 36), scoring={"features": ("psnr_hvs",)})
    assert found[70].result["psnr_hvs"] > 20


@pytest.mark.parametrize(("pix_fmt", "more"), [("yuv422p10le", {}), ("yuv444p", {"pix_fmt": "yuv420p"})])
def test_deeper_and_fuller_chroma_sources_are_searched_as_they_are(
    pix_fmt: str, more: dict[str, str], search: Search, make: Callable[..., Path], short: Path, tmp_path: Path
) -> None:
    source = make("-i", short, "-pix_fmt", pix_fmt, "-c:v", "ffv1", tmp_path / "source.mkv")
    answer = search("libx264", 70, source=source, crf=(32, 37), **more)[70]
    assert answer.met
    path = make("-i", source, "-c:v", "libx264", *ULTRAFAST.format(answer.crf).split(), "-pix_fmt",
                more.get("pix_fmt", pix_fmt), tmp_path / "o.mkv")  # fmt: skip
    assert float(measure(MeasureRequest(Clip(source), Clip(path)), FfmpegScorer()).neg) == answer.score
    assert answer.result.provenance["pix_fmt"] == more.get("pix_fmt", pix_fmt)


def test_raw_video_gives_the_same_answers(
    search: Search, plain: Search, make: Callable[..., Path], short: Path, tmp_path: Path
) -> None:
    raw = make("-i", short, "-f", "rawvideo", tmp_path / "raw.yuv")
    of_raw = search("libx264", 60, 80, source=Clip(raw, width=192, height=128, frame_rate=25))
    of_mkv = plain(60, 80)
    assert outcomes(of_raw) == outcomes(of_mkv)
    assert [a.bitrate for a in of_raw.answers.values()] == [a.bitrate for a in of_mkv.answers.values()]


def test_raw_video_without_a_frame_rate_is_refused_for_want_of_a_bitrate(
    search: Search, make: Callable[..., Path], short: Path, tmp_path: Path
) -> None:
    raw = make("-i", short, "-f", "rawvideo", tmp_path / "raw.yuv")
    with pytest.raises(
        EncodeError, match=r"states no frame rate, so bitrates are unknown\. Set it: Clip\(\.\.\., frame_rate="
    ):
        search("libx264", 70, source=Clip(raw, width=192, height=128))


def test_workers_and_threads_change_no_answer(search: Search, plain: Search) -> None:
    one, other = plain(60, 80), search("libx264", 60, 80, workers=2, scoring={"threads": 2})
    assert [(a.crf, a.score, a.next_score, a.size) for a in one.answers.values()] == [
        (a.crf, a.score, a.next_score, a.size) for a in other.answers.values()
    ]


# The ends of the scale, and what cannot be met.


def test_a_target_above_the_ceiling_costs_no_encode(search: Search, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    encoder = function_encoder(lambda source, output, crf: ran.write_text(""))
    found = search(encoder, 99.9)
    assert found.probes == ()
    assert not ran.exists()
    assert outcomes(found) == [(99.9, "above the ceiling", None)]
    assert found.ceiling == pytest.approx(99.68, abs=0.01)
    assert not found.met
    assert found[99.9].why == f"NEG 99.9 of <lambda> cannot be reached: the reference itself has {found.ceiling:.3f}"


def test_a_target_that_the_finest_does_not_reach(search: Search) -> None:
    found = search("libx264", 90, crf=(35, 51))
    assert outcomes(found) == [(90, "below at the finest", None)]
    assert found[90].why == f"NEG 90 of libx264 is not reached: CRF 35, the finest, has {scores(found.probes)[35]:.3f}"


def test_a_target_that_the_coarsest_still_reaches(search: Search) -> None:
    found = search("libx264", 20, crf=(20, 30))
    answer = found[20]
    assert (answer.outcome, answer.crf, answer.next_score) == ("met at the coarsest", 30, None)
    assert answer.met
    assert answer.why.startswith(f"NEG 20 of libx264: CRF 30 ({answer.score:.3f}), the coarsest, ")


@pytest.mark.parametrize("name", ["crf", "score", "next_score", "bitrate", "size", "encode", "result"])
def test_of_an_unmet_target_nothing_can_be_asserted(name: str, plain: Search) -> None:
    answer = plain(99.9)[99.9]
    with pytest.raises(GateViolation, match=r"^NEG 99\.9 of libx264 cannot be reached: the reference itself has 99\.6"):
        getattr(answer, name)


def test_met_and_unmet_targets_stand_side_by_side_in_the_table(search: Search) -> None:
    found = search("libx264", 10, 70, 95, 99.9, crf=(25, 40))
    assert [a.outcome for a in found.answers.values()] == [
        "met at the coarsest",
        "met",
        "below at the finest",
        "above the ceiling",
    ]
    head, columns, *rows = str(found).splitlines()
    assert head.startswith("libx264 ultrafast on ")
    assert f"NEG, ceiling {found.ceiling:.2f}, {len(found.probes)} encodes" in head
    assert columns.split() == ["target", "CRF", "NEG", "next", "kbit/s", "bytes", "outcome"]
    assert rows[1].split() == [
        "70", str(found[70].crf), f"{found[70].score:.3f}", f"{found[70].next_score:.3f}",
        f"{found[70].bitrate / 1000:.1f}", str(found[70].size), "met",
    ]  # fmt: skip
    assert [row.split()[1] for row in rows] == ["40", str(found[70].crf), "–", "–"]
    assert repr(found).count("NEG") == 4


def test_an_answer_that_was_not_asked_for_is_a_key_error_with_those_that_were(plain: Search) -> None:
    with pytest.raises(KeyError, match=r"96 is none of the targets: 60, 80"):
        plain(60, 80)[96]


def test_the_window_may_be_a_single_number(search: Search) -> None:
    found = search("libx264", 60, 90, crf=(33, 33))
    assert [probe.crf for probe in found.probes] == [33]
    assert outcomes(found) == [(60, "met at the coarsest", 33), (90, "below at the finest", None)]


# The other direction.


#: x264 behind a scale on which 51 is the finest.
MIRROR = 'ffmpeg -i "$1" -c:v libx264 -preset ultrafast -crf $((51 - $2)) "$3"'


def test_on_a_scale_where_larger_is_finer_the_answers_are_mirrored(
    search: Search, plain: Search, program: Callable[..., Path], short: Path, tmp_path: Path
) -> None:
    command = [program(MIRROR), "{input}", "{crf}", "{output}"]
    encoder = replace(command_encoder(command), larger_is_finer=True, slope=ENCODERS["libx264"].slope)
    found = search(encoder, 60, 80, 99.9, keep=tmp_path / "kept")
    for target in (60, 80):
        mine, theirs = found[target], plain(60, 80)[target]
        assert mine.crf == 51 - theirs.crf
        assert (mine.score, mine.next_score, mine.size) == (theirs.score, theirs.next_score, theirs.size)
        assert mine.next_probe is not None
        assert mine.next_probe.crf == mine.crf - 1
        assert mine.encode.path is not None
        assert re.fullmatch(rf"{short.stem}-enc-[0-9a-f]{{6}}-crf{mine.crf}\.mp4", mine.encode.path.name)
        assert mine.encode.path.parent == tmp_path / "kept"
    assert found[99.9].outcome == "above the ceiling"
    assert [51 - probe.crf for probe in found.probes] == [probe.crf for probe in plain(60, 80).probes]


def test_on_such_a_scale_window_start_and_ends_are_in_its_own_numbers(
    search: Search, program: Callable[..., Path]
) -> None:
    encoder = command_encoder(
        [program(MIRROR), "{input}", "{crf}", "{output}"], larger_is_finer=True, crf_range=(0, 51)
    )
    found = search(encoder, 10, 70, 99, crf=(11, 30))
    assert [a.outcome for a in found.answers.values()] == ["met at the coarsest", "met", "below at the finest"]
    assert found[10].crf == 11
    assert found[99].why.startswith("NEG 99 of enc is not reached: CRF 30, the finest, has ")
    assert found[70].why.startswith(
        f"NEG 70 of enc: CRF {found[70].crf} ({found[70].score:.3f}; CRF {found[70].crf - 1}: "
    )
    again = search(encoder, 70, crf=(11, 30), start={70: found[70].crf})
    assert [probe.crf for probe in again.probes] == [found[70].crf, found[70].crf - 1]


def test_a_direction_that_is_said_wrongly_is_not_monotone(search: Search, program: Callable[..., Path]) -> None:
    encoder = command_encoder([program(MIRROR), "{input}", "{crf}", "{output}"])
    found = search(encoder, 70)
    assert found[70].outcome == "not monotone"
    assert not found.met
    with pytest.raises(
        GateViolation, match=r"NEG 70 of enc is at no one CRF, for the score does not fall: CRF \d+ has"
    ):
        _ = found[70].crf


# Where the search starts.


def test_an_earlier_answer_saves_encodes_and_changes_no_answer(search: Search, plain: Search) -> None:
    found = plain(60, 80)
    start = {target: found[target].crf for target in (60, 80)}
    again = search("libx264", 60, 80, start=start)
    assert outcomes(again) == outcomes(found)
    assert len(again.probes) < len(found.probes)
    assert {probe.crf for probe in again.probes} == {crf + step for crf in start.values() for step in (0, 1)}


@pytest.mark.parametrize("start", [{60: 0, 80: 51}, {60: 999, 80: -3, 90: 30}], ids=repr)
def test_a_start_that_is_wrong_changes_no_answer(start: dict[float, int], search: Search, plain: Search) -> None:
    assert outcomes(search("libx264", 60, 80, start=start)) == outcomes(plain(60, 80))


# A part of the source.


def test_a_sample_gives_what_the_same_frames_cut_by_hand_give(
    search: Search, reference: Path, make: Callable[..., Path], tmp_path: Path
) -> None:
    found = search("libx264", 60, 80, source=reference, sample=0.4)
    assert found.sample == (7, 10)
    part = make("-i", reference, "-vf", "trim=start_frame=7:end_frame=17,setpts=PTS-STARTPTS", "-c:v", "ffv1",
                tmp_path / "part.mkv")  # fmt: skip
    of_part = search("libx264", 60, 80, source=Clip(part, frame_rate=25))
    assert outcomes(found) == outcomes(of_part)
    for target in (60, 80):
        assert found[target].score == of_part[target].score
        assert (found[target].size, found[target].bitrate) == (of_part[target].size, of_part[target].bitrate)
        assert found[target].encode.frames == 10
    assert found.ceiling == of_part.ceiling
    assert found.reference == str(reference)


def test_a_sample_longer_than_the_source_is_the_source(search: Search, plain: Search) -> None:
    found = search("libx264", 60, 80, sample=99)
    assert found.sample == (0, 8)
    assert outcomes(found) == outcomes(plain(60, 80))


def test_seconds_of_raw_video_need_a_frame_rate(
    search: Search, make: Callable[..., Path], short: Path, tmp_path: Path
) -> None:
    raw = make("-i", short, "-f", "rawvideo", tmp_path / "raw.yuv")
    with pytest.raises(SettingsError, match=r"raw\.yuv states no frame rate, so it has no seconds; say Clip"):
        search("libx264", 70, source=Clip(raw, width=192, height=128), sample=0.2)


# What is kept, and what stays behind.


def test_the_encodes_of_the_answers_are_kept_and_no_others(
    search: Search, short: Path, temp: Path, tmp_path: Path, ffmpeg: str
) -> None:
    folder = tmp_path / "kept" / "here"
    found = search("libx264", 60, 80, 99.9, keep=folder)
    kept = {found[target].encode.path for target in (60, 80)}
    assert kept == set(folder.iterdir())
    assert len(found.probes) > len(kept)
    for target in (60, 80):
        path = found[target].encode.path
        assert path is not None
        assert path.name == f"{short.stem}-libx264-ultrafast-crf{found[target].crf}.mp4"
        assert count_frames(Clip(path), ffmpeg) == 8
        assert float(measure(MeasureRequest(Clip(short), Clip(path)), FfmpegScorer()).neg) == found[target].score
    assert {probe.encode.path for probe in found.probes} == kept | {None}
    assert not list(temp.iterdir())


def test_without_keep_no_file_stays(search: Search, temp: Path) -> None:
    found = search("libx264", 60, crf=(35, 39))
    assert found[60].encode.path is None
    assert not list(temp.iterdir())


def test_two_targets_with_one_answer_have_one_file(search: Search, tmp_path: Path) -> None:
    found = search("libx264", 60, 60.001, keep=tmp_path / "kept", crf=(35, 39))
    assert found[60].encode.path == found[60.001].encode.path
    assert len(list((tmp_path / "kept").iterdir())) == 1


def fails_at(encoded: Path, first_bad: int) -> Encoder:
    """x264's encodes by a function that fails from a number on downwards."""

    def fragile(source: Path, output: Path, crf: int) -> None:
        if crf <= first_bad:
            raise RuntimeError("no licence for this quality")
        argv = ["-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", str(crf), output]
        subprocess.run([encoded, "-nostdin", "-v", "error", *argv], check=True)

    return function_encoder(fragile)


def test_a_search_that_fails_later_says_and_keeps_what_it_had(
    search: Search, ffmpeg: str, temp: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    with pytest.raises(EncodeError, match=r"fragile raised RuntimeError at CRF .*no licence") as caught:
        search(fails_at(Path(ffmpeg), 25), 60, 92, keep=folder, start={60: 37})
    probes = caught.value.probes
    assert probes
    assert all(probe.crf > 25 for probe in probes)
    done = "; ".join(f"CRF {probe.crf}: {probe.score:.3f}" for probe in probes)
    assert caught.value.__notes__ == [f"Probes finished before: {done}."]
    assert {probe.encode.path for probe in probes} == set(folder.iterdir())
    assert all(count_frames(Clip(path), ffmpeg) == 8 for path in folder.iterdir())
    assert not list(temp.iterdir())


def test_an_error_before_any_probe_has_none(search: Search, temp: Path) -> None:
    with pytest.raises(EncodeError) as caught:
        search(fails_at(Path("none"), 99), 60)
    assert caught.value.probes == ()
    assert not hasattr(caught.value, "__notes__")
    assert not list(temp.iterdir())


def test_ctrl_c_keeps_what_was_asked_to_be_kept_and_nothing_else(
    search: Search, ffmpeg: str, temp: Path, tmp_path: Path
) -> None:
    made = []

    def interrupted(source: Path, output: Path, crf: int) -> None:
        if made:
            output.write_text("half an encode")
            raise KeyboardInterrupt
        made.append(crf)
        argv = ["-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-crf", str(crf), output]
        subprocess.run([ffmpeg, "-nostdin", "-v", "error", *argv], check=True)

    with pytest.raises(KeyboardInterrupt):
        search(function_encoder(interrupted), 60, keep=tmp_path / "kept")
    assert [path.name[-len(f"-crf{made[0]}.mp4") :] for path in (tmp_path / "kept").iterdir()] == [f"-crf{made[0]}.mp4"]
    assert not list(temp.iterdir())


@linux
@pytest.mark.parametrize(("sent", "workers"), [(signal.SIGINT, 1), (signal.SIGKILL, 1), (signal.SIGKILL, 2)])
def test_whatever_ends_a_search_no_encoder_outlives_it(
    sent: signal.Signals, workers: int, program: Callable[..., Path], short: Path, temp: Path, tmp_path: Path
) -> None:
    enc = program("echo half > $2", 'echo $$ > "$0.part"; mv "$0.part" "$0.pid"', "exec sleep 60")
    code = f"""
        from pytest_vmaf import Vmaf
        Vmaf().bisect({str(short)!r}, encoder=[{str(enc)!r}, "{{crf}}", "{{output}}", "{{input}}"], targets=[60],
                      workers={workers})
    """
    search = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.PIPE)
    pid = Path(f"{enc}.pid")
    until = time.monotonic() + 30
    while not pid.exists() and time.monotonic() < until:
        time.sleep(0.02)
    search.send_signal(sent)
    _, said = search.communicate(timeout=30)
    assert search.returncode != 0
    assert gone(int(pid.read_text()))
    if sent is signal.SIGINT:
        assert b"KeyboardInterrupt" in said
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
def test_an_encoder_that_is_killed_is_an_error_with_its_signal(
    search: Search, program: Callable[..., Path], temp: Path
) -> None:
    enc = program("echo half > $2", "kill -KILL $$")
    with pytest.raises(EncodeError, match=r"enc failed at CRF \d+: it was killed by SIGKILL"):
        search(command_encoder([enc, "{crf}", "{output}", "{input}"]), 60)
    assert not list(temp.iterdir())


@pytest.fixture
def disk() -> Iterator[Callable[[int], None]]:
    """disk(size): no file of this process and its children grows beyond it, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("way", ["libx264", "y4m to standard output"])
def test_a_full_disk_is_an_error_and_what_was_finished_is_said(
    way: str, search: Search, program: Callable[..., Path], disk: Callable[[int], None], temp: Path
) -> None:
    enc = program('ffmpeg -i - -c:v libx264 -preset ultrafast -crf "$1" -f matroska -')
    encoder = "libx264" if way == "libx264" else replace(command_encoder([enc, "{crf}"]), suffix=".mkv")
    # At 90 the encodes are larger than at 60 by far; between them this disk is full.
    disk(12_000)
    with pytest.raises(MeasurementError) as caught:
        search(encoder, 60, 95, crf=(10, 40))
    assert all(probe.encode.size < 12_000 for probe in caught.value.probes)
    assert not list(temp.iterdir())


def test_a_keep_that_is_no_folder_is_an_os_error(search: Search, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        search("libx264", 60, keep=tmp_path / "file")


# Encoders that are not what they say.


def test_an_encoder_that_ignores_the_crf_is_found_out(search: Search, program: Callable[..., Path]) -> None:
    enc = program('ffmpeg -i "$2" -c:v libx264 -preset ultrafast -crf 30 "$3"')
    encoder = command_encoder([enc, "{crf}", "{input}", "{output}"])
    with pytest.raises(
        EncodeError, match=r"enc ignores the CRF: \d+ encodes from CRF \d+ to \d+ have the same \d+ bytes"
    ) as caught:
        search(encoder, 60)
    assert len(caught.value.probes) > 1
    # Targets that one encode, at an end of the scale, would answer.
    for target in (20, 95):
        with pytest.raises(EncodeError, match="enc ignores the CRF: 2 encodes"):
            search(encoder, target, crf=(20, 30))


def test_arguments_that_override_the_crf_are_found_out(search: Search) -> None:
    with pytest.raises(EncodeError, match="libx264 ultrafast ignores the CRF"):
        search("libx264", 60, arguments=("-x264-params", "qp=30"))


def test_arguments_that_take_back_the_quality_are_refused(search: Search) -> None:
    with pytest.raises(SettingsError, match="arguments must not contain -crf: libx264 gets it from the search"):
        search("libx264", 60, arguments=("-crf", "20"))


def test_a_preset_that_is_not_there_is_refused_with_the_nearest(search: Search) -> None:
    with pytest.raises(SettingsError, match="Did you mean 'ultrafast'"):
        search("libx264", 60, preset="ultrafst")


def test_an_encoder_that_this_ffmpeg_lacks_is_an_encode_error(search: Search) -> None:
    with pytest.raises(EncodeError, match="was built without the encoder h264_videotoolbox"):
        search("h264_videotoolbox", 60)


def test_a_program_that_drops_a_frame_at_one_number_ends_the_search(
    search: Search, program: Callable[..., Path]
) -> None:
    enc = program(
        'n=8; [ "$1" -lt 30 ] && n=7', 'ffmpeg -i "$2" -frames:v $n -c:v libx264 -preset ultrafast -crf "$1" "$3"'
    )
    with pytest.raises(PairError, match="8 frames in the reference, 7 in the distorted clip") as caught:
        search(command_encoder([enc, "{crf}", "{input}", "{output}"]), 60, 90)
    assert all(probe.crf >= 30 for probe in caught.value.probes)


def test_a_time_limit_holds_for_each_program(search: Search, program: Callable[..., Path], temp: Path) -> None:
    encoder = command_encoder([program("sleep 60"), "{crf}", "{output}", "{input}"])
    with pytest.raises(ScorerError, match="The time limit of 2 s was exceeded"):
        search(encoder, 60, scoring={"timeout": 2})
    assert not list(temp.iterdir())


def test_a_ten_bit_source_reaches_a_program_as_ten_bit(
    search: Search, program: Callable[..., Path], make: Callable[..., Path], short: Path, tmp_path: Path
) -> None:
    source = make("-i", short, "-pix_fmt", "yuv420p10le", "-c:v", "ffv1", tmp_path / "source.mkv")
    enc = program('ffmpeg -i - -c:v libx264 -preset ultrafast -crf "$1" "$2"')
    piped = search(command_encoder([enc, "{crf}", "{output}"]), 70, source=source, crf=(32, 37))
    direct = search("libx264", 70, source=source, crf=(32, 37))
    assert (piped[70].crf, piped[70].score) == (direct[70].crf, direct[70].score)


# Scorers.


class InSteps(FfmpegScorer):
    """The ffmpeg scorer where ffmpeg cannot decode what it encodes."""

    def can_encode(self, tools: Tools) -> bool:
        return False

    def encode_and_score(self, request: ScoreRequest, step: EncodeStep) -> ScoreLog:
        raise AssertionError("it said that it cannot")


def test_a_scorer_that_cannot_encode_gives_the_same_answers(search: Search, plain: Search) -> None:
    one, steps = plain(60, 80), search("libx264", 60, 80, scorer=InSteps())
    assert outcomes(one) == outcomes(steps)
    assert [(a.score, a.next_score, a.size) for a in one.answers.values()] == [
        (a.score, a.next_score, a.size) for a in steps.answers.values()
    ]


def test_a_scorer_that_reads_no_clip_still_has_real_encodes(search: Search) -> None:
    found = search("libx264", 93, scorer=FakeScorer(neg=93, frames=8), crf=(20, 24))
    assert found[93].outcome == "met at the coarsest"
    assert found[93].result.provenance["fake"]
    assert found[93].size > 0


# Settings.


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ((), "targets is empty"),
        ((100.5,), r"The target 100\.5 cannot be: NEG is a number from 1 to 100"),
        ((0.0,), "The target 0 cannot be"),
        # Somebody thinks of a share; every encode would meet it.
        ((0.94,), "The target 0.94 cannot be: NEG is a number from 1 to 100"),
        ((-3.0,), "The target -3 cannot be"),
        ((float("nan"),), "The target nan cannot be"),
        ((float("inf"),), "The target inf cannot be"),
        ((60.0, 70.0, 60.0), "targets has one twice: 60, 70, 60"),
    ],
)
def test_targets_that_cannot_be_are_refused(targets: tuple[float, ...], said: str, search: Search) -> None:
    with pytest.raises(SettingsError, match=said):
        search("libx264", *targets)


def test_targets_of_another_metric_may_be_larger(search: Search) -> None:
    assert search("libx264", 101, metric=parse_metric("psnr_y"))[101].outcome == "above the ceiling"


@pytest.mark.parametrize(
    "crf", [(30, 20), (-1, 20), (20, 52), (20.0, 30.0), (20,), (20, 25, 30), 25, "20", (True, 30), {20: 30}], ids=repr
)
def test_a_window_that_cannot_be_is_refused(crf: object, search: Search) -> None:
    with pytest.raises(
        SettingsError, match=r"crf is .*; for libx264 it is two whole numbers from 0 to 51, the smaller one first"
    ):
        search("libx264", 60, crf=crf)


@pytest.mark.parametrize("sample", [0, -1, float("nan"), float("inf"), "2", True], ids=repr)
def test_a_sample_that_cannot_be_is_refused(sample: object, search: Search) -> None:
    with pytest.raises(SettingsError, match=r"sample is .*; it is a number of seconds above 0"):
        search("libx264", 60, sample=sample)


@pytest.mark.parametrize("workers", [0, 1.5, "2", True], ids=repr)
def test_workers_that_cannot_be_are_refused(workers: object, search: Search) -> None:
    with pytest.raises(SettingsError, match=r"workers is .*; it is a whole number from 1"):
        search("libx264", 60, workers=workers)


def test_progress_is_told_after_every_probe(search: Search) -> None:
    told: list[tuple[int, float]] = []
    found = search("libx264", 60, progress=lambda done, expected: told.append((done, expected)))
    assert [done for done, _ in told] == list(range(1, len(found.probes) + 1))
    assert told[-1][1] == len(found.probes)
    assert all(expected >= done for done, expected in told)


def test_the_source_may_be_another_clip_than_the_reference(
    plain: Search, short: Path, make: Callable[..., Path], tmp_path: Path
) -> None:
    source = Clip(make("-i", short, "-vf", "gblur=0.4", "-c:v", "ffv1", tmp_path / "soft.mkv"))
    scoring = MeasureRequest(Clip(short), Clip(short))
    request = BisectRequest(scoring, ENCODERS["libx264"], (60.0,), preset="ultrafast", crf=(30, 40), source=source)
    soft = bisect(request, FfmpegScorer())
    assert soft.ceiling == float(measure(MeasureRequest(Clip(short), source), FfmpegScorer()).neg)
    assert soft.ceiling < plain(60, 80).ceiling
    assert soft[60].met
    path = make("-i", source.path, "-c:v", "libx264", *ULTRAFAST.format(soft[60].crf).split(), tmp_path / "o.mkv")
    assert float(measure(MeasureRequest(Clip(short), Clip(path)), FfmpegScorer()).neg) == soft[60].score


def test_an_answer_shows_itself(plain: Search) -> None:
    answer = plain(60, 80)[60]
    assert isinstance(answer, Answer)
    assert repr(answer) == (
        f"<NEG 60 of libx264: CRF {answer.crf} ({answer.score:.3f}; CRF {answer.crf + 1}: {answer.next_score:.3f}), "
        f"{answer.bitrate / 1000:.1f} kbit/s>"
    )


def test_a_sample_is_cut_as_any_part_is(short: Path, ffmpeg: str, tmp_path: Path) -> None:
    [part] = cut(Clip(short), [(2, 5)], tmp_path, ffmpeg)
    assert count_frames(part, ffmpeg) == 5
