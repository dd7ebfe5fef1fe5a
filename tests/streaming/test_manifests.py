"""Playlists and manifests as text: what stands in them, and what is kept out of them."""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vmaf.errors import SettingsError
from pytest_vmaf.streaming.manifests import Rendition, dash, hls, hls_media, peak_of
from pytest_vmaf.streaming.mp4 import Index, Segment

LOW = Rendition(Path("a.mp4"), 640, 360, Fraction(30000, 1001), 400_000.2, 500_000.2, "avc1.64001e", "360p")
HIGH = replace(LOW, width=1280, height=720, bitrate=1.5e6, peak=2e6, codecs="avc1.64001f", name="720p")
INDEX = Index(800, 876, (Segment(40_000, 2.0), Segment(50_000, 2.0), Segment(9_000, 0.48)))
NAMESPACE = {"d": "urn:mpeg:dash:schema:mpd:2011"}

#: Names that files can have, as hostile as they come.
names = st.text(
    st.one_of(
        st.characters(exclude_characters="/\\", exclude_categories=("Cs", "Cc")), st.sampled_from("%&\"'<> ?#:;\u2028")
    ),
    min_size=1,
    max_size=30,
).filter(lambda name: name not in (".", "..") and name.casefold() != "index")


def hls_uris(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def representations(text: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(text).findall("d:Period/d:AdaptationSet/d:Representation", NAMESPACE)


# HLS


def test_a_multivariant_playlist_reads_as_the_rfc_says():
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


def test_segments_that_need_one_another_are_not_called_independent():
    assert "#EXT-X-INDEPENDENT-SEGMENTS" not in hls([LOW], independent=False)


def test_a_media_playlist_lists_its_segments_as_byte_ranges():
    assert hls_media("360p.mp4", INDEX) == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
        '#EXT-X-MAP:URI="360p.mp4",BYTERANGE="800@0"\n'
        "#EXTINF:2.000000,\n#EXT-X-BYTERANGE:40000@876\n360p.mp4\n"
        "#EXTINF:2.000000,\n#EXT-X-BYTERANGE:50000@40876\n360p.mp4\n"
        "#EXTINF:0.480000,\n#EXT-X-BYTERANGE:9000@90876\n360p.mp4\n"
        "#EXT-X-ENDLIST\n"
    )


@given(st.lists(st.floats(0.01, 30), min_size=1, max_size=9))
def test_no_segment_rounds_to_more_than_the_target_duration(durations):
    text = hls_media("a.mp4", Index(10, 20, tuple(Segment(1, duration) for duration in durations)))
    target = int(re.search(r"TARGETDURATION:(\d+)", text)[1])
    assert all(math.floor(float(said) + 0.5) <= target for said in re.findall(r"#EXTINF:([\d.]+),", text))
    assert target - 1 < max(1, max(durations) + 0.5)


@given(names)
def test_a_uri_is_plain_and_leads_back_to_the_name(name):
    (uri,) = hls_uris(hls([replace(LOW, name=name)]))
    assert re.fullmatch(r"[A-Za-z0-9._~%-]+", uri)
    assert unquote_to_bytes(uri) == os.fsencode(name + ".m3u8")
    media = hls_media(name + ".mp4", INDEX)
    assert {unquote_to_bytes(uri) for uri in hls_uris(media)} == {os.fsencode(name + ".mp4")}


# DASH


def test_a_manifest_reads_as_the_standard_says():
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


def test_a_manifest_without_indexes_leaves_them_to_the_player():
    text = dash([replace(LOW, frame_rate=Fraction(25))], 10)
    assert "SegmentBase" not in text
    assert representations(text)[0].get("frameRate") == "25"


def test_segments_of_different_lengths_are_not_called_aligned():
    other = replace(INDEX, segments=(Segment(1, 4.0), Segment(1, 0.48)))
    assert 'subsegmentAlignment="false"' in dash([LOW, HIGH], 4.48, indexes={"360p": INDEX, "720p": other})
    # Matroska rounds to milliseconds.
    near = replace(INDEX, segments=(Segment(1, 2.001), Segment(1, 1.999), Segment(1, 0.48)))
    assert 'subsegmentAlignment="true"' in dash([LOW, HIGH], 4.48, indexes={"360p": INDEX, "720p": near})


def test_an_open_gop_is_said_in_the_manifest():
    assert 'subsegmentStartsWithSAP="3"' in dash([LOW], 4, independent=False)


@given(names)
def test_a_manifest_with_any_name_is_xml_that_leads_back_to_it(name):
    (one,) = representations(dash([replace(LOW, name=name)], 1))
    assert unquote_to_bytes(one.findtext("d:BaseURL", None, NAMESPACE)) == os.fsencode(name + ".mp4")
    assert re.fullmatch(r"\S+", one.get("id"))


@pytest.mark.parametrize("duration", [0, -1, math.nan, math.inf])
def test_an_impossible_duration_is_refused(duration):
    with pytest.raises(SettingsError, match="lasts more than 0 s"):
        dash([LOW], duration)


# Peak


def test_the_peak_is_the_greatest_rate_of_one_segment():
    assert peak_of([Segment(1000, 1.0), Segment(3000, 1.0), Segment(2000, 1.0)]) == 24_000


def test_a_short_rest_counts_only_with_what_precedes_it():
    # The rest alone would be 80 kbit/s; with its neighbour it is 5000 bytes in 2.2 s.
    assert peak_of([Segment(1000, 2.0), Segment(3000, 2.0), Segment(2000, 0.2)]) == pytest.approx(8 * 5000 / 2.2)


def test_a_single_segment_has_its_own_rate():
    assert peak_of([Segment(1000, 0.1)]) == 80_000


@given(st.lists(st.tuples(st.integers(1, 10**7), st.floats(0.05, 10)), min_size=1, max_size=12))
def test_the_peak_is_between_the_mean_and_the_fastest_segment(content):
    segments = [Segment(*one) for one in content]
    mean = 8 * sum(size for size, _ in segments) / sum(duration for _, duration in segments)
    fastest = max(8 * size / duration for size, duration in segments)
    assert mean <= peak_of(segments) <= fastest * (1 + 1e-9) or mean == pytest.approx(fastest)


# What is refused


@pytest.mark.parametrize("write", [hls, lambda renditions: dash(renditions, 1)])
class TestRefused:
    def test_no_renditions(self, write):
        with pytest.raises(SettingsError, match="no renditions; a package has at least one"):
            write([])

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\\b", "a\nb", "a\rb", "a\0b", "a\x7fb"])
    def test_names_that_no_file_should_have(self, write, name):
        with pytest.raises(SettingsError, match="a name that no file should have"):
            write([replace(LOW, name=name)])

    @pytest.mark.parametrize("name", ["x" * 201, "ä" * 101])
    def test_names_that_are_too_long(self, write, name):
        with pytest.raises(SettingsError, match=r"a name of 20\d bytes; 200 are the most"):
            write([replace(LOW, name=name)])

    def test_names_that_cannot_be_written(self, write):
        with pytest.raises(SettingsError, match="a name that this system cannot write"):
            write([replace(LOW, name="a\ud800")])

    @pytest.mark.parametrize("name", ["360P", "index"])
    def test_names_that_are_taken(self, write, name):
        with pytest.raises(SettingsError, match="a name that is taken already"):
            write([LOW, replace(HIGH, name=name)])

    @pytest.mark.parametrize("codecs", ["", 'avc1.64001e"', "avc1.64\n001e", "avc1.64001e,mp4a", "<x>1.1"])
    def test_codecs_that_are_none(self, write, codecs):
        with pytest.raises(SettingsError, match="which is no CODECS string"):
            write([replace(LOW, codecs=codecs)])

    @pytest.mark.parametrize("field", ["width", "height", "frame_rate", "bitrate", "peak"])
    @pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
    def test_numbers_that_cannot_be(self, write, field, value):
        with pytest.raises(SettingsError, match="size, frame rate or bit rate that is not above 0"):
            write([replace(LOW, **{field: value})])
