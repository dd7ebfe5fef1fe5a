"""Trial encodes in one process or two, invalid encodes, and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from encoding.builders import FAST

from pytest_vmaf.cache.entries import Cache
from pytest_vmaf.encoding.encoders import ENCODERS, Encoder, command_encoder, function_encoder
from pytest_vmaf.encoding.job import EncodeJob
from pytest_vmaf.errors import EncodeError, PairError, ScorerError, SettingsError
from pytest_vmaf.media.clip import Clip
from pytest_vmaf.plugins.ffmpeg import FfmpegScorer
from pytest_vmaf.scoring.measure import measure
from pytest_vmaf.scoring.prepare import MeasureRequest
from pytest_vmaf.scoring.result import Result
from pytest_vmaf.scoring.scorer import EncodeStep, ScoreLog, ScoreRequest, Tools
from pytest_vmaf.search.metric import Metric, parse_metric
from pytest_vmaf.search.probe import Probe
from pytest_vmaf.search.prober import Prober
from search.builders import CurveScorer, copying

NEG = Metric("neg")


class InSteps(FfmpegScorer):
    """The ffmpeg scorer as it was with older ffmpegs, and a list of what it was asked."""

    def __init__(self, can: bool = False) -> None:
        self.can, self.calls, self.models = can, list[str](), list[tuple[str, ...]]()

    def can_encode(self, tools: Tools) -> bool:
        return self.can

    def score(self, request: ScoreRequest) -> ScoreLog:
        self.calls.append("score")
        self.models.append(tuple(model.column for model in request.models))
        return super().score(request)

    def encode_and_score(self, request: ScoreRequest, step: EncodeStep) -> ScoreLog:
        self.calls.append("encode and score")
        self.models.append(tuple(model.column for model in request.models))
        return super().encode_and_score(request, step)


@pytest.fixture
def prober(tmp_path: Path) -> Callable[..., Prober]:
    """prober(job, scorer=…, metric=…, keep=False, **scoring): probes whose files go to a folder of their own."""

    def make(
        job: EncodeJob, scorer: object = None, *, metric: Metric = NEG, keep: bool = False, **scoring: object
    ) -> Prober:
        folder = tmp_path / f"probes{len(list(tmp_path.glob('probes*')))}"
        folder.mkdir()
        clip = job.source.clip
        request = MeasureRequest(clip, clip, **scoring)  # type: ignore[arg-type]
        return Prober(job, request, scorer or FfmpegScorer(), metric, folder, stem=clip.path.stem, keep=keep)  # type: ignore[arg-type]

    return make


def frames(result: Result) -> dict[str, tuple[float, ...]]:
    """Every number of every frame."""
    scores = {"vmaf": result.vmaf, "neg": result.neg, "gap": result.gap, **result.features}
    return {name: score.unclipped.frames for name, score in scores.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "libx264" else pytest.mark.slow) for name in FAST]
)
def test_one_process_equals_two(
    name: str, job: Callable[..., EncodeJob], prober: Callable[..., Prober], footage: Callable[..., Path]
) -> None:
    preset, crf = FAST[name]
    task = job(name, footage("192x128", 6), preset=preset)
    scorer, steps = InSteps(can=True), InSteps()
    one, apart = prober(task, scorer, keep=True), prober(task, steps, keep=True)
    one(crf - 1)
    assert one(crf) == apart(crf)
    assert scorer.calls == ["score", "encode and score"]
    assert steps.calls == ["score"]
    a, b = one.probes[crf], apart.probes[crf]
    assert frames(a.result) == frames(b.result)
    assert (a.encode.size, a.encode.frames, a.encode.duration) == (b.encode.size, b.encode.frames, b.encode.duration)
    assert a.encode.frames == 6
    assert (a.encode.seconds, b.encode.seconds is None) == (None, False)


def test_glance_is_completed_from_the_same_encode(
    job: Callable[..., EncodeJob], prober: Callable[..., Prober], footage: Callable[..., Path]
) -> None:
    task = job("libx264", footage("192x128", 6), preset="ultrafast")
    scorer, whole = InSteps(can=True), prober(task)
    probes = prober(task, scorer)
    for crf in (30, 31):
        whole(crf)
        assert probes.glance(crf) == whole.probes[crf].score
        assert probes.probes[crf].result is None
    assert scorer.models == [("neg",)] * 2
    assert len(list(probes.folder.iterdir())) == 2
    for crf in (30, 31):
        assert frames(probes.complete(crf).result) == frames(whole.complete(crf).result)
    assert scorer.calls == ["score", "encode and score", "score", "score"]
    assert not list(probes.folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["vmaf.min", "psnr_y", "float_ssim.p5", "xpsnr_y"])
def test_glance_by_other_metrics(
    metric: str, job: Callable[..., EncodeJob], prober: Callable[..., Prober], footage: Callable[..., Path]
) -> None:
    chosen = parse_metric(metric)
    task = job("libx264", footage("192x128", 6), preset="ultrafast")
    probes = prober(task, metric=chosen, features=(*chosen.features, "float_ssim"))
    assert probes.glance(30) == probes.complete(30).score


@pytest.mark.slow
def test_glance_with_a_cache(
    job: Callable[..., EncodeJob], prober: Callable[..., Prober], footage: Callable[..., Path], tmp_path: Path
) -> None:
    """A score of one metric is never taken for a complete one, and a complete one is used for a glance."""
    cache = Cache(tmp_path / "cache")
    task = replace(job("libx264", footage("192x128", 6), preset="ultrafast"), cache=cache)
    first, second, third = (prober(task, cache=cache) for _ in range(3))
    assert first.glance(30) == second.glance(30)
    assert first.probes[30].result is second.probes[30].result is None
    assert frames(second.complete(30).result) == frames(prober(task).complete(30).result)
    third.glance(30)
    assert third.probes[30].result is not None


def test_scorer_that_does_not_repeat_its_numbers(
    job: Callable[..., EncodeJob], prober: Callable[..., Prober], footage: Callable[..., Path]
) -> None:
    class Unsteady(InSteps):
        def score(self, request: ScoreRequest) -> ScoreLog:
            log = super().score(request)
            if len(request.models) > 1:
                return log
            return replace(log, columns={**log.columns, "neg": (80.0,) * log.reference_frames}, pooled_means={})

    probes = prober(job("libx264", footage("192x128", 6), preset="ultrafast"), Unsteady())
    probes.glance(30)
    with pytest.raises(ScorerError, match=r"Unsteady scores libx264 .* with NEG 80\.0 alone, and with 8\d\."):
        probes.complete(30)


@pytest.mark.slow
def test_kept_file_is_the_scored_one(job: Callable[..., EncodeJob], prober: Callable[..., Prober], clip: Path) -> None:
    probes = prober(job("libx264", preset="veryfast"), keep=True)
    for crf in (29, 30):
        probes(crf)
    probe = probes.probes[30]
    assert probe.encode.path is not None
    again = measure(MeasureRequest(Clip(clip), Clip(probe.encode.path)), FfmpegScorer())
    assert frames(again) == frames(probe.result)
    assert probe.score == float(again.neg)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pix_fmt", "more"),
    [
        ("yuv420p10le", {}),
        pytest.param("yuvj420p", {}, marks=pytest.mark.slow),
        pytest.param("rgb24", {"pix_fmt": "yuv444p"}, marks=pytest.mark.slow),
    ],
)
def test_one_process_equals_two_for_any_source(
    pix_fmt: str,
    more: dict[str, str],
    make: Callable[..., Path],
    job: Callable[..., EncodeJob],
    prober: Callable[..., Prober],
    tmp_path: Path,
) -> None:
    codec = "mjpeg" if pix_fmt == "yuvj420p" else "libx264rgb" if pix_fmt == "rgb24" else "ffv1"
    source = make("-f", "lavfi", "-i", "mandelbrot=s=192x128:r=30000/1001", "-frames:v", 6, "-pix_fmt", pix_fmt,
                  "-c:v", codec, "-q:v", 2, tmp_path / "source.mkv")  # fmt: skip
    task = job("libx264", source, preset="veryfast", **more)
    one, apart = prober(task), prober(task, InSteps())
    one(25)
    assert one(35) == apart(35)
    assert frames(one.probes[35].result) == frames(apart.probes[35].result)
    assert one.probes[35].encode.frames == 6


@pytest.mark.slow
def test_raw_video_source(
    make: Callable[..., Path], job: Callable[..., EncodeJob], prober: Callable[..., Prober], clip: Path, tmp_path: Path
) -> None:
    raw = make("-i", clip, "-f", "rawvideo", tmp_path / "raw.yuv")
    task = job("libx264", Clip(raw, width=192, height=128, frame_rate=25), preset="veryfast")
    probes, of_mkv = prober(task), prober(job("libx264", preset="veryfast"))
    for crf in (25, 35):
        assert probes(crf) == of_mkv(crf)
        mine, theirs = probes.probes[crf].encode, of_mkv.probes[crf].encode
        assert (mine.size, mine.bitrate) == (theirs.size, theirs.bitrate)


def test_command_repeats_encode_and_score(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    probes = prober(job("libx264", preset="veryfast"))
    for crf in (25, 35):
        probes(crf)
        command = probes.probes[crf].result.provenance["command"]
        assert f"-c:v libx264 -preset veryfast -crf {crf}" in command
        assert f"-crf{crf}.mp4" in command
        assert "libvmaf=" in command
        assert "probes0" not in command
        assert probes.probes[crf].result.context.distorted == f"libx264 veryfast CRF {crf}"


def test_keep(
    job: Callable[..., EncodeJob],
    prober: Callable[..., Prober],
    encode: Callable[..., Path],
    clip: Path,
    tmp_path: Path,
) -> None:
    copies = job(copying(encode(clip, 30)))
    gone, kept = (prober(copies, CurveScorer(frames=12), keep=keep) for keep in (False, True))
    for crf in (30, 31):
        gone(crf)
        kept(crf)
    assert not list((tmp_path / "probes0").iterdir())
    assert {probe.encode.path for probe in gone.probes.values()} == {None}
    names = {f"reference-192x128-12-25-copy-crf{crf}.mp4" for crf in (30, 31)}
    assert {path.name for path in (tmp_path / "probes1").iterdir()} == names
    assert {probe.encode.path for probe in kept.probes.values()} == set((tmp_path / "probes1").iterdir())


STEMS = {"long": "long" * 50, "wide": "影" * 80, "dash": "-rf *", "odd": "a'b\"c$d;e %d"}


@pytest.mark.parametrize("stem", STEMS.values(), ids=STEMS)
def test_file_name(
    stem: str, job: Callable[..., EncodeJob], prober: Callable[..., Prober], encode: Callable[..., Path], clip: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    source = tmp_path / f"{stem}.mkv"
    source.write_bytes(clip.read_bytes())
    probes = prober(job(copying(encode(clip, 30)), source), CurveScorer(frames=12), keep=True)
    probes(30)
    path = probes.probes[30].encode.path
    assert path is not None
    assert path.is_file()
    assert len(path.name.encode()) < 150
    assert not set(path.name) & set("*'\"$;% ")


@pytest.mark.slow
def test_source_of_any_name(
    job: Callable[..., EncodeJob], prober: Callable[..., Prober], footage: Callable[..., Path], tmp_path: Path
) -> None:
    source = tmp_path / f"{STEMS['dash']} {STEMS['odd']} {STEMS['wide'][:20]} {STEMS['long'][:120]}.mkv"
    source.write_bytes(footage("192x128", 3).read_bytes())
    probes = prober(job("libx264", source, preset="ultrafast"), keep=True)
    for crf in (30, 31):
        probes(crf)
        assert probes.probes[crf].encode.path is not None


@pytest.mark.slow
def test_threads_change_nothing(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    one, two = (prober(job("libx264", preset="veryfast"), threads=threads) for threads in (1, 2))
    for crf in (25, 35):
        assert one(crf) == two(crf)


# What goes wrong with an encode shows when it is compared.


@pytest.mark.parametrize("reads", ["-", "{input}"])
def test_program_that_drops_a_frame(
    reads: str,
    program: Callable[..., Path],
    job: Callable[..., EncodeJob],
    prober: Callable[..., Prober],
    tmp_path: Path,
) -> None:
    enc = program('ffmpeg -i "$1" -frames:v 11 -c:v libx264 -preset ultrafast -crf "$2" "$3"')
    probes = prober(job(command_encoder([enc, reads, "{crf}", "{output}"])))
    with pytest.raises(PairError, match="12 frames in the reference, 11 in the distorted clip"):
        probes(30)
    assert probes.probes == {}
    assert not list((tmp_path / "probes0").iterdir())


@pytest.mark.parametrize(
    ("makes", "said"),
    [
        ("-vf scale=96:64", "size: the reference is 192x128, the distorted clip 96x64"),
        ("-r 50", r"frame rate: the reference has 25 frames/s, the distorted clip 50|12 frames decoded .*, 24"),
        ("-color_range pc", "colour range: the reference is tagged"),
        ("-vf trim=start_frame=1,setpts=PTS-STARTPTS", "alignment: the distorted clip starts 1 frame into"),
    ],
)
def test_program_that_writes_something_else(
    makes: str, said: str, program: Callable[..., Path], job: Callable[..., EncodeJob], prober: Callable[..., Prober]
) -> None:
    enc = program(f'ffmpeg -i "$1" {makes} -c:v libx264 -preset ultrafast -crf "$2" "$3"')
    with pytest.raises(PairError, match=said):
        prober(job(command_encoder([enc, "{input}", "{crf}", "{output}"])))(30)


def test_every_encode_of_a_program_is_compared(
    program: Callable[..., Path], job: Callable[..., EncodeJob], prober: Callable[..., Prober]
) -> None:
    enc = program('s=192:128; [ "$2" -gt 30 ] && s=96:64',
                  'ffmpeg -i "$1" -vf scale=$s -c:v libx264 -preset ultrafast -crf "$2" "$3"')  # fmt: skip
    probes = prober(job(command_encoder([enc, "{input}", "{crf}", "{output}"])))
    probes(30)
    with pytest.raises(PairError, match="96x64"):
        probes(31)
    assert list(probes.probes) == [30]


def test_arguments_that_drop_frames(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    probes = prober(job("libx264", preset="ultrafast", arguments=("-frames:v", "10")))
    with pytest.raises(PairError, match="12 frames in the reference, 10"):
        probes(30)


def test_frames_dropped_at_one_crf(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    # Twice the frames that its "CRF" says, so 8 lets through all 12 of them, and 5 does not.
    encoder = Encoder("libx264", arguments=("-preset", "ultrafast", "-vf", "select='lt(n,{crf}*2)'"))
    scorer = InSteps(can=True)
    probes = prober(job(encoder), scorer)
    probes(8)
    with pytest.raises(PairError, match="12 frames in the reference, 10"):
        probes(5)
    assert scorer.calls == ["score", "encode and score"]
    assert list(probes.probes) == [8]


def test_encoder_that_fails_later(job: Callable[..., EncodeJob], prober: Callable[..., Prober], tmp_path: Path) -> None:
    # The source is 32 x 6 pixels wide; more cannot be cut out of it.
    encoder = Encoder("libx264", arguments=("-preset", "ultrafast", "-crf", "30", "-vf", "crop={crf}*6:128"))
    probes = prober(job(encoder), keep=True)
    probes(32)
    with pytest.raises(ScorerError, match=r"(?s)ffmpeg could not .*Invalid too big or non positive size"):
        probes(33)
    assert list(probes.probes) == [32]
    assert len(list((tmp_path / "probes0").iterdir())) == 1


@pytest.mark.slow
def test_scaled_comparison(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    task = job("libx264", preset="veryfast", arguments=("-vf", "scale=96:64"))
    with pytest.raises(PairError, match="size: "):
        prober(task)(30)
    one, apart = prober(task, scale="bicubic"), prober(task, InSteps(), scale="bicubic")
    one(25)
    assert one(30) == apart(30)


# Metrics.


@pytest.mark.parametrize(
    ("text", "metric", "shown"),
    [
        ("neg", Metric("neg"), "NEG"),
        ("vmaf", Metric("vmaf"), "VMAF"),
        ("neg.p5", Metric("neg", "p5"), "NEG p5"),
        ("vmaf.harmonic_mean", Metric("vmaf", "harmonic_mean"), "VMAF harmonic_mean"),
        ("psnr_y", Metric("psnr_y"), "psnr_y"),
        ("float_ssim.min", Metric("float_ssim", "min"), "float_ssim min"),
    ],
)
def test_parse_metric(text: str, metric: Metric, shown: str) -> None:
    assert parse_metric(text) == metric
    assert str(parse_metric(text)) == shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gap", "metric must be .*, not 'gap'"),
        ("ngeg", "Did you mean 'neg'"),
        ("psnr", "Did you mean 'psnr_y'"),
        ("cambi", "not 'cambi'"),
        ("psnr_hvs", "Did you mean 'x?psnr_"),
        ("ciede2000", "not 'ciede2000'"),
        ("float_moment_ref1st", "metric must be"),
        ("neg.", "metric must be neg with a pool of mean, min"),
        ("neg.p0", "metric must be neg with a pool of mean, min"),
        ("neg.stdev", "metric must be neg with a pool of mean, min"),
        ("neg.p5.min", "metric must be neg with a pool of mean, min"),
        ("NEG", "not 'NEG'"),
        ("", "not ''"),
        (5, "not 5"),
        (None, "not None"),
    ],
)
def test_parse_metric_refuses(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_metric(text)


def test_metric_of_the_reference_is_finite(footage: Callable[..., Path]) -> None:
    columns = ["vmaf", "psnr_y", "psnr_cb", "psnr_cr", "float_ssim", "float_ms_ssim"]
    metrics = [parse_metric(column) for column in columns]
    clip = Clip(footage("192x192", 3))
    features = tuple({feature for metric in metrics for feature in metric.features})
    itself = measure(MeasureRequest(clip, clip, features=features), FfmpegScorer())
    assert all(0 < float(metric.of(itself)) <= 100 for metric in metrics)


def test_score_is_of_the_metric(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    metric = parse_metric("psnr_y.min")
    probes = prober(job("libx264", preset="ultrafast"), metric=metric, features=metric.features)
    score = probes(30)
    probe = probes.probes[30]
    assert isinstance(probe, Probe)
    assert score == probe.score == min(probe.result["psnr_y"].frames)
    assert probe.bitrate == probe.encode.bitrate


@pytest.mark.slow
def test_scorer_that_cannot_encode(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    class Plain:
        """As any plugin's: two methods."""

        def __init__(self) -> None:
            self.inner = FfmpegScorer()

        def capabilities(self, tools: Tools) -> object:
            return self.inner.capabilities(tools)

        def score(self, request: ScoreRequest) -> ScoreLog:
            return self.inner.score(request)

    task = job("libx264", preset="ultrafast")
    plain, one = prober(task, Plain()), prober(task)
    for crf in (30, 31):
        assert plain(crf) == one(crf)
        assert plain.probes[crf].encode.seconds is not None


def test_function_encoder(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    def copies(source: Path, output: Path, crf: int) -> None:
        output.write_bytes(source.read_bytes())

    scorer = InSteps(can=True)
    probes = prober(job(replace(function_encoder(copies), suffix=".mkv")), scorer)
    probes(1)
    probes(2)
    assert "encode and score" not in scorer.calls
    assert sorted(probes.probes) == [1, 2]


def test_bitstream_filter_needs_two_processes(job: Callable[..., EncodeJob], prober: Callable[..., Prober]) -> None:
    # A loopback decoder gets the packets before the filter changes them.
    scorer = InSteps(can=True)
    probes = prober(job("libx264", preset="ultrafast", arguments=("-bsf:v", "h264_metadata")), scorer)
    for crf in (30, 31):
        probes(crf)
    assert scorer.calls == ["score", "score"]


def test_frames_in_the_file_differ(
    job: Callable[..., EncodeJob], prober: Callable[..., Prober], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Miscounts(FfmpegScorer):
        def encode_and_score(self, request: ScoreRequest, step: EncodeStep) -> ScoreLog:
            log = super().encode_and_score(request, step)
            # What a container that lost its last packet would look like.
            data = step.path.read_bytes()
            step.path.write_bytes(data)
            short = Path(f"{step.path}.short.mkv")
            argv = [request.tools.ffmpeg.path, "-nostdin", "-v", "error", "-i", str(step.path), "-frames:v", "10"]
            import subprocess

            subprocess.run([*argv, "-c", "copy", "-f", "matroska", str(short)], check=True)
            short.replace(step.path)
            return log

    # The frames of other scorers are counted; this one stands for the built-in one.
    monkeypatch.setattr("pytest_vmaf.scoring.seen_frames.is_our_own", lambda scorer: True)
    probes = prober(job("libx264", preset="ultrafast"), Miscounts())
    probes(30)
    with pytest.raises(EncodeError, match="libx264 ultrafast CRF 31: the file has 10 frames, but 12 were scored"):
        probes(31)


def test_suffixes() -> None:
    assert {row.suffix for row in ENCODERS.values()} == {".mp4", ".webm"}
