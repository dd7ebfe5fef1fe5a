"""Requirements on the build that measures: their grammar, and what meets them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_vmaf import FakeScorer, Vmaf
from pytest_vmaf.errors import ScorerError, SettingsError
from pytest_vmaf.media.builds import build_of
from pytest_vmaf.scoring.requirements import Build, Requirement, libvmaf_version, parse_requirements, refuse_other_build


def a_build(
    libvmaf: str | None = "3.2.0",
    ffmpeg: str = "n9.0.2-17-g2a571b6",
    models: tuple[str, ...] | None = ("vmaf_v0.6.1", "vmaf_v0.6.1neg"),
    digests: Sequence[str] = ("0123456789abcdef",),
) -> Build:
    return Build(libvmaf, ffmpeg, models, lambda: "fedcba9876543210", lambda: digests)


def test_grammar() -> None:
    assert parse_requirements("libvmaf >= 3.2, ffmpeg==n9.0.2\nmodel=vmaf_v0.6.1@0123abcd,\n") == (
        Requirement("libvmaf", ">=", "3.2"),
        Requirement("ffmpeg", "=", "n9.0.2"),
        Requirement("model", "=", "vmaf_v0.6.1", "0123abcd"),
    )
    assert parse_requirements("") == ()
    assert str(parse_requirements("model=a@0123abcd")[0]) == "model=a@0123abcd"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("libvmaf~=3", "'libvmaf~=3' does not have this form"),
        ("libvmaf", "'libvmaf' does not have this form"),
        ("vmaf=3", "'vmaf' is not one of libvmaf, ffmpeg, model"),
        ("model>=3", "a model and a digest need =, not >="),
        ("ffmpeg<n9@0123abcd", "a model and a digest need =, not <"),
        ("ffmpeg>=N-1234-gabc", "'N-1234-gabc' is not a version that can be compared with >="),
        ("libvmaf=3@0123abcd", "libvmaf has no digest"),
        ("ffmpeg=n9@xyz", "does not have this form"),
        ("ffmpeg=n9@0123", "does not have this form"),
    ],
)
def test_invalid(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"require .call. must be requirements such as") as caught:
        Vmaf(require=text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "libvmaf>=3.2",
            "libvmaf>=3.2.0",
            "libvmaf>=3.2,libvmaf<4",
            "libvmaf=3.2.0",
            "libvmaf=v3.2.0",
            "libvmaf<3.2.1",
        ),
        *("ffmpeg=n9.0.2", "ffmpeg=9.0.2", "ffmpeg=n9.0.2-17", "ffmpeg>=9", "ffmpeg<10", "ffmpeg=n9.0.2@fedcba98"),
        *("model=vmaf_v0.6.1", "model=vmaf_v0.6.1neg", "model=vmaf_4k_v0.6.1,model=vmaf_v0.6.1"),
        "model=vmaf_v0.6.1@01234567",
    ],
)
def test_met(text: str) -> None:
    refuse_other_build(parse_requirements(text), a_build())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("libvmaf>=3.10", "libvmaf>=3.10 is required, not 3.2.0"),
        ("libvmaf<3.2", "libvmaf<3.2 is required, not 3.2.0"),
        ("libvmaf=3.2", "libvmaf=3.2 is required, not 3.2.0"),
        ("ffmpeg=n9.0", "ffmpeg=n9.0 is required, not n9.0.2-17-g2a571b6"),
        ("ffmpeg=n9.0.21", "ffmpeg=n9.0.21 is required"),
        ("ffmpeg=n9.0.2@00000000", "is required, not n9.0.2-17-g2a571b6@fedcba9876543210"),
        ("model=vmaf_4k_v0.6.1", "is required, not vmaf_v0.6.1 / vmaf_v0.6.1neg"),
        ("model=vmaf_v0.6.1@ffffffff", "not vmaf_v0.6.1 / vmaf_v0.6.1neg (@0123456789abcdef)"),
        ("libvmaf>=9, ffmpeg<2", "ffmpeg<2 is required"),
    ],
)
def test_not_met(text: str, said: str) -> None:
    with pytest.raises(ScorerError, match="is not the required one") as caught:
        refuse_other_build(parse_requirements(text), a_build())
    assert said in str(caught.value)
    assert "`pytest-vmaf doctor` prints" in str(caught.value)


def test_commit_as_version() -> None:
    refuse_other_build(parse_requirements("libvmaf=86da14d"), a_build("86da14d"))
    for text in ("libvmaf>=3", "libvmaf<3"):
        with pytest.raises(ScorerError, match="86da14d, which has no order; require it as libvmaf=86da14d"):
            refuse_other_build(parse_requirements(text), a_build("86da14d"))


def test_not_known_yet() -> None:
    refuse_other_build(parse_requirements("libvmaf>=99"), a_build(libvmaf=None))


def test_fake() -> None:
    with pytest.raises(ScorerError, match="The scorer fake reads no clips, so it cannot meet require='ffmpeg>=1'"):
        Vmaf(scorer=FakeScorer(), require="ffmpeg>=1").score("a.mp4", "b.mp4")


@pytest.mark.slow
def test_measurement(ffmpeg: str, footage: object, encode: object, tmp_path: Path) -> None:
    reference = footage()  # type: ignore[operator]
    clips = reference, encode(reference)  # type: ignore[operator]
    digest, version = (build_of(ffmpeg) or "")[:16], libvmaf_version(ffmpeg)
    vmaf = Vmaf(ffmpeg=ffmpeg, cache_dir=tmp_path)
    assert vmaf.score(*clips, require=f"libvmaf={version}, model=vmaf_v0.6.1@{digest}").neg > 0
    with pytest.raises(ScorerError, match=r"model=vmaf_4k_v0.6.1 is required, not vmaf_v0.6.1 / vmaf_v0.6.1neg"):
        vmaf.score(*clips, require="model=vmaf_4k_v0.6.1")
    with pytest.raises(ScorerError, match=r"libvmaf=1\.2\.3 is required"):
        vmaf.quality_map(*clips, grid=(2, 1), require="libvmaf=1.2.3")
    with pytest.raises(ScorerError, match=r"libvmaf=1\.2\.3 is required"):
        vmaf.roi(*clips, require="libvmaf=1.2.3")
    with pytest.raises(ScorerError, match=r"libvmaf=1\.2\.3 is required"):
        vmaf.bisect(reference, encoder="libx264", targets=60, crf=(30, 36), require="libvmaf=1.2.3")
