"""HLS playlists and DASH manifests as text."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings, strategies as st

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.streaming.manifests import Rendition, dash, hls, hls_media, peak_of
from pytest_vmaf.streaming.mp4 import Index, Segment

LOW = Rendition(Path("a.mp4"), 640, 360, Fraction(30000, 1001), 400_000.2, 500_000.2, "avc1.64001e", "360p")
HIGH = replace(LOW, width=1280, height=720, bitrate=1.5e6, peak=2e6, codecs="avc1.64001f", name="720p")
INDEX = Index(800, 876, (Segment(40_000, 2.0), Segment(50_000, 2.0), Segment(9_000, 0.48)))
NAMESPACE = {"d": "urn:mpeg:dash:schema:mpd:2011"}


def representations(text: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(text).findall("d:Period/d:AdaptationSet/d:Representation", NAMESPACE)


# HLS


def test_hls_master() -> None:
    assert hls([HIGH, LOW]) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=500001,AVERAGE-BANDWIDTH=400001,RESOLUTION=640x360,FRAME-RATE=29.970,"
        'CODECS="avc1.64001e"\n'
        "360p.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1500000,RESOLUTION=1280x720,FRAME-RATE=29.970,"
        'CODECS="avc1.64001f"\n'
        "720p.m3u8\n"
    )
    assert "#EXT-X-INDEPENDENT-SEGMENTS" not in hls([LOW], independent=False)


def test_hls_media() -> None:
    assert hls_media("360p.mp4", INDEX) == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
        '#EXT-X-MAP:URI="360p.mp4",BYTERANGE="800@0"\n'
        "#EXTINF:2.000000,\n#EXT-X-BYTERANGE:40000@876\n360p.mp4\n"
        "#EXTINF:2.000000,\n#EXT-X-BYTERANGE:50000@40876\n360p.mp4\n"
        "#EXTINF:0.480000,\n#EXT-X-BYTERANGE:9000@90876\n360p.mp4\n"
        "#EXT-X-ENDLIST\n"
    )


@settings(max_examples=30)
@given(st.lists(st.floats(0.01, 30), min_size=1, max_size=9))
def test_hls_target_duration(durations: list[float]) -> None:
    text = hls_media("a.mp4", Index(10, 20, tuple(Segment(1, duration) for duration in durations)))
    target = int(re.search(r"TARGETDURATION:(\d+)", text)[1])
    assert all(math.floor(float(stated) + 0.5) <= target for stated in re.findall(r"#EXTINF:([\d.]+),", text))
    assert target - 1 < max(1, max(durations) + 0.5)


# DASH


def test_dash() -> None:
    text = dash([HIGH, LOW], 4.48, indexes={"360p": INDEX, "720p": INDEX})
    root = ElementTree.fromstring(text)
    assert root.attrib == {
        "profiles": "urn:mpeg:dash:profile:isoff-on-demand:2011",
        "type": "static",
        "mediaPresentationDuration": "PT4.480000S",
        "minBufferTime": "PT2.000000S",
    }
    (adaptation,) = root.findall("d:Period/d:AdaptationSet", NAMESPACE)
    assert adaptation.attrib == {
        "contentType": "video",
        "mimeType": "video/mp4",
        "subsegmentAlignment": "true",
        "subsegmentStartsWithSAP": "1",
    }
    low, high = representations(text)
    assert low.attrib == {
        "id": "360p",
        "codecs": "avc1.64001e",
        "bandwidth": "500001",
        "width": "640",
        "height": "360",
        "frameRate": "30000/1001",
    }
    assert high.get("bandwidth") == "2000000"
    assert low.findtext("d:BaseURL", None, NAMESPACE) == "360p.mp4"
    assert low.find("d:SegmentBase", NAMESPACE).attrib == {"indexRange": "800-875"}
    assert low.find("d:SegmentBase/d:Initialization", NAMESPACE).attrib == {"range": "0-799"}


def test_dash_without_indexes() -> None:
    text = dash([replace(LOW, frame_rate=Fraction(25))], 10)
    assert "SegmentBase" not in text
    assert representations(text)[0].get("frameRate") == "25"


def test_dash_segment_alignment() -> None:
    other = replace_segments(Segment(1, 4.0), Segment(1, 0.48))
    assert 'subsegmentAlignment="false"' in dash([LOW, HIGH], 4.48, indexes={"360p": INDEX, "720p": other})
    # Matroska rounds to milliseconds.
    near = replace_segments(Segment(1, 2.001), Segment(1, 1.999), Segment(1, 0.48))
    assert 'subsegmentAlignment="true"' in dash([LOW, HIGH], 4.48, indexes={"360p": INDEX, "720p": near})


def replace_segments(*segments: Segment) -> Index:
    return INDEX._replace(segments=segments)


def test_dash_open_gop() -> None:
    assert 'subsegmentStartsWithSAP="3"' in dash([LOW], 4, independent=False)


# Peak


def test_peak() -> None:
    assert peak_of([Segment(1000, 1.0), Segment(3000, 1.0), Segment(2000, 1.0)]) == 24_000
    assert peak_of([Segment(1000, 0.1)]) == 80_000


def test_peak_of_short_segment_at_end() -> None:
    # Alone it would have 80 kbit/s; with its neighbour it is 5000 bytes in 2.2 s.
    assert peak_of([Segment(1000, 2.0), Segment(3000, 2.0), Segment(2000, 0.2)]) == pytest.approx(8 * 5000 / 2.2)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 10**7), st.floats(0.05, 10)), min_size=1, max_size=12))
def test_peak_between_mean_and_fastest(content: list[tuple[int, float]]) -> None:
    segments = [Segment(*each) for each in content]
    mean = 8 * sum(size for size, _ in segments) / sum(duration for _, duration in segments)
    fastest = max(8 * size / duration for size, duration in segments)
    assert mean <= peak_of(segments) <= fastest * (1 + 1e-9) or mean == pytest.approx(fastest)


def test_no_renditions() -> None:
    for write in (hls, lambda renditions: dash(renditions, 1)):
        with pytest.raises(SettingsError, match="must have at least one rendition"):
            write([])


def test_samples_that_are_not_square():
    # A PAL DVD: players show 720 samples of 64:45 as 1024 pixels.
    wide = replace(LOW, width=720, height=576, sample_aspect=Fraction(64, 45))
    assert "RESOLUTION=1024x576," in hls([wide])
    assert ' width="720" height="576" frameRate="30000/1001" sar="64:45">' in dash([wide], 1.0)
    assert "sar=" not in dash([LOW], 1.0)
