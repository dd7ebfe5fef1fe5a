"""Headers of profiles, levels, chroma formats and colours that encoders write, by two other routes.

ffmpeg prints profile, samples and tags. The levels are those that the encoders were told, as their CODECS strings have
them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from streaming.test_codec_strings import ENCODES, SOURCE, encoding

from pytest_vmaf.bitstream.profiles import LEVELS as LEVELS_OF, PROFILES
from pytest_vmaf.bitstream.read_stream import read_stream
from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.media.clip import Clip

LINE = re.compile(
    r"Stream #0:0.*: Video: (?P<codec>\w+)(?: \(lib\w+\))?(?: \((?P<profile>(?!\w+ / )[^()]+)\))?.*?, "
    r"(?P<pix_fmt>\w+)\((?P<tags>[^)]*)\)"
)
#: ffmpeg names the range extensions as a whole.
OTHER_NAMES = {"Rext": "Main 4:2:2 10", None: "Main 10"}
LEVELS = (
    (r"avc1\.....(..)$", lambda text: f"{int(text, 16) / 10:g}"),
    (r"hvc1\..*\.[LH](\d+)\.", lambda text: f"{int(text) / 30:g}"),
    (r"av01\.\d\.31(M)", lambda _: "unlimited"),
    (r"av01\.\d\.(\d\d)", lambda text: f"{2 + int(text) // 4}.{int(text) % 4}"),
    (r"vvc1\.1\.[LH](\d+)", lambda text: f"{int(text) // 16}.{int(text) % 16 // 3}".removesuffix(".0")),
    (r"(vp09)", lambda _: ""),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODES)
def test_header(name: str, make: Callable[..., Path], tmp_path: Path, ffmpeg: str) -> None:
    path = make(*SOURCE, *encoding(name), tmp_path / name)
    stream = read_stream(Clip(path), ffmpeg)
    end = subprocess.run([ffmpeg, "-nostdin", "-i", path], capture_output=True, text=True)
    line = LINE.search(end.stderr)
    assert line is not None
    assert stream.codec == line["codec"]
    assert stream.profile == OTHER_NAMES.get(line["profile"], line["profile"])
    assert stream.profile in PROFILES[stream.codec]
    assert stream.pix_fmt == line["pix_fmt"]
    codecs = ENCODES[name][1]
    found, level_of = next((match[1], level) for form, level in LEVELS if (match := re.match(form, codecs)))
    assert stream.level == level_of(found)
    assert stream.level in ("", "unlimited", *LEVELS_OF[stream.codec])
    if stream.level == "unlimited":
        with pytest.raises(MeasurementError, match="keeps to no level"):
            _ = stream.highest_level
    tags = [tag for tag in line["tags"].split(", ") if tag != "progressive"]
    # Of VP9 and of H.264, Matroska has tags of its own; of VVC, tags are not read.
    if stream.codec not in ("vvc", "h264"):
        names = f"{stream.matrix}/{stream.primaries}/{stream.transfer}"
        assert stream.color_range == tags[0]
        assert tags[1:] in ([], [names], [stream.matrix], ["bt2020nc/bt2020/smpte2084"])
