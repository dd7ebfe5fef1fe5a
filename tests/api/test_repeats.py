"""`vmaf.determinism` with real encoders: deterministic, deterministic in quality and noisy ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from encoding.builders import FAST

from pytest_vmaf import EncodeError, Encoder, FakeScorer, GateViolation, SettingsError, Vmaf
from pytest_vmaf.search.determinism import Determinism, RepeatedEncode, spread

#: What makes encoders use several threads, also on small pictures.
THREADS = {
    "libx264": "-threads 4",
    "libx265": "-x265-params pools=4:frame-threads=3",
    "libsvtav1": "-svtav1-params lp=4",
    "libvpx-vp9": "-threads 4",
    "libvvenc": "-threads 2",
}
#: A different seed in each run.
SEED = "$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')"


@pytest.fixture
def vmaf() -> Vmaf:
    return Vmaf(progress=False)


def test_same_bits(vmaf: Vmaf, clip: Path) -> None:
    repeated = vmaf.determinism(clip, encoder="libx264:ultrafast", crf=30, runs=2, expect="bitstream")
    assert repeated.level == "bitstream"
    assert len({each.digest for each in repeated.encodes}) == 1
    assert (repeated.difference, repeated.neg, repeated.bitrate.standard_error) == ("", None, 0)
    [record] = vmaf.records
    assert (record["status"], record["distorted"]) == ("passed", "determinism of libx264 ultrafast at CRF 30")
    assert record["gates"][0] | {"margin": 0} == {
        "name": "max_changed_packets",
        "metric": "changed_packets",
        "pool": "mean",
        "bound": "max",
        "limit": 0.0,
        "origin": "call",
        "value": 0.0,
        "margin": 0,
        "passed": True,
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", THREADS)
def test_threads(vmaf: Vmaf, footage: Callable[..., Path], name: str) -> None:
    """These encoders write the same bits with several threads."""
    preset, crf = FAST[name]
    source = footage("176x144", 24)
    repeated = vmaf.determinism(
        source, encoder=name, preset=preset, crf=crf, arguments=THREADS[name], runs=2, expect="bitstream"
    )
    assert str(repeated).endswith("kbit/s")


def test_noisy(vmaf: Vmaf, clip: Path, program: Callable[..., Path]) -> None:
    script = program(
        f'ffmpeg -i "$2" -vf noise=alls=20:allf=t:all_seed={SEED} -c:v libx264 -preset ultrafast -crf "$1" "$3"'
    )
    encoder = f"{script} {{crf}} {{input}} {{output}}"
    with pytest.raises(GateViolation) as failure:
        vmaf.determinism(clip, encoder=encoder, crf=30, runs=2, expect="quality")
    first, packet, frame, source = str(failure.value).splitlines()
    assert first.startswith("enc at CRF 30 is noisy in 2 encodes, ")
    assert first.endswith("(standard errors); expect is 'quality' (1 of 1 gates failed)")
    assert packet.startswith("  encode 2 differs from the first in packet 0 (frame 0, 0.000 s), and ")
    assert frame.startswith("  first frame with another score: frame 0 (0:00:00.000): NEG ")
    assert source == f"  source: {clip}"
    assert vmaf.records[-1]["gates"][0]["metric"] == "changed_frames"
    assert "NEG" in vmaf.records[-1]["about"]


@pytest.mark.slow
def test_same_quality(vmaf: Vmaf, clip: Path, program: Callable[..., Path]) -> None:
    """A message in the stream that is another one each time, as of an encoder that writes the time of day."""
    bsf = f"h264_metadata=sei_user_data=086f3693-b7b3-4f2c-9653-21492feee5b8+{SEED}"
    script = program(f'ffmpeg -i "$2" -c:v libx264 -preset ultrafast -crf "$1" -bsf:v "{bsf}" "$3"')
    encoder = f"{script} {{crf}} {{input}} {{output}}"
    repeated = vmaf.determinism(clip, encoder=encoder, crf=30, runs=2, expect="quality")
    assert repeated.level == "quality"
    assert repeated.frame_difference is None
    assert repeated.packet_difference is not None
    assert repeated.to_dict()["level"] == "quality"
    assert repeated.sentence.startswith("deterministic in quality in 2 encodes, ")


def test_cache_is_not_used(clip: Path, tmp_path: Path, program: Callable[..., Path]) -> None:
    """Each run encodes, although an encode of these settings is in the cache."""
    vmaf = Vmaf(progress=False, cache_dir=tmp_path / "cache")
    log = tmp_path / "log"
    script = program(f'echo run >> {log}; ffmpeg -i "$2" -c:v libx264 -preset ultrafast -crf "$1" "$3"')
    encoder = Encoder("enc", command=(str(script), "{crf}", "{input}", "{output}"), files=(str(script),))
    for _ in range(2):
        vmaf.encode(clip, tmp_path / "out.mp4", encoder=encoder, crf=30)
    assert log.read_text().count("run") == 1
    vmaf.determinism(clip, encoder=encoder, crf=30, runs=2)
    assert log.read_text().count("run") == 3


@pytest.mark.slow
def test_function(vmaf: Vmaf, clip: Path, encode: Callable[..., Path]) -> None:
    """A function that writes something else from its third call on."""
    calls: list[int] = []

    def later(source: Path, output: Path, crf: int) -> None:
        calls.append(crf)
        output.write_bytes(encode(clip, 30 if len(calls) < 3 else 34).read_bytes())

    repeated = vmaf.determinism(clip, encoder=later, crf=30)
    assert repeated.differs == 3
    assert repeated.encodes[0].result is repeated.encodes[1].result
    assert "encode 3 differs from the first in packet" in str(repeated)


def test_failure(vmaf: Vmaf, clip: Path, program: Callable[..., Path]) -> None:
    broken = program("echo no licence >&2; exit 3")
    with pytest.raises(EncodeError, match="no licence"):
        vmaf.determinism(clip, encoder=f"{broken} {{crf}} {{input}} {{output}}", crf=30)
    assert vmaf.records[0]["status"] == "error"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"runs": 1}, "runs must be a whole number from 2 to 100, not 1"),
        ({"runs": True}, "runs must be a whole number from 2 to 100, not True"),
        ({"expect": "bits"}, "expect must be 'bitstream', 'quality' or None, not 'bits'"),
        ({"min_neg": 90}, "min_neg is not a gate of a search"),
        ({"repeats": 3}, "repeats is an option of vmaf.bisect"),
        ({"crf": 99}, "crf must be a whole number from 0 to 51"),
    ],
)
def test_settings(vmaf: Vmaf, clip: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        vmaf.determinism(clip, **{"encoder": "libx264", "crf": 30, **settings})  # type: ignore[arg-type]
    assert message in str(refused.value)


def test_numbers() -> None:
    assert spread([1.0, 2.0, 3.0]).standard_error == pytest.approx(1 / 3**0.5)
    assert spread([5.0]).standard_error == 0
    result = Vmaf(scorer=FakeScorer(90, [80.0, 81.0])).score("a.mkv", "b.mkv")
    other = Vmaf(scorer=FakeScorer(90, [80.0, 82.0])).score("a.mkv", "b.mkv")
    encodes = (RepeatedEncode("x", 100, 1000.0, result), RepeatedEncode("y", 104, 1040.0, other))
    repeated = Determinism("enc", 30, "a.mkv", encodes)
    assert repeated.level == "noisy"
    assert repeated.sentence == "noisy in 2 encodes, 1.0 ± 0.02 kbit/s, NEG 80.750 ± 0.25 (standard errors)"
    assert repr(repeated) == f"<Determinism of enc, CRF 30: {repeated.sentence}>"
    difference = repeated.frame_difference
    assert difference is not None
    assert (difference.frame, difference.scores, difference.count, difference.frames) == (1, (81.0, 82.0), 1, 2)
    same = replace(repeated, encodes=(encodes[0], replace(encodes[1], result=result)))
    assert same.level == "quality"
