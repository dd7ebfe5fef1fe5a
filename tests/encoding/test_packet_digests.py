"""Digests of packets: what is part of them, and where two streams begin to differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_vmaf.encoding.packet_digests import PacketDifference, PacketDigests, read_digests
from pytest_vmaf.errors import ClipError
from pytest_vmaf.media.clip import Clip


def digests(*packets: str, configuration: str = "c", times: tuple[float | None, ...] = ()) -> PacketDigests:
    return PacketDigests(configuration, packets, times or tuple(n / 25 for n in range(len(packets))))


def test_containers(
    ffmpeg: str, clip: Path, encode: Callable[..., Path], make: Callable[..., Path], tmp_path: Path
) -> None:
    """Neither the container's other bytes nor its times are part of the digest; bytes of a packet are."""
    made = encode(clip, 30)
    plain = read_digests(Clip(made), ffmpeg)
    dated = make("-itsoffset", "1", "-i", made, "-c", "copy", "-metadata", "title=another day", tmp_path / "dated.mp4")
    assert dated.read_bytes() != made.read_bytes()
    assert read_digests(Clip(dated), ffmpeg).digest == plain.digest
    assert len(plain.packets) == len(plain.times) == 12
    bsf = f"h264_metadata=sei_user_data={32 * '0'}+x"
    other = make("-i", made, "-c", "copy", "-bsf:v", bsf, tmp_path / "o.mp4")
    difference = plain.difference(read_digests(Clip(other), ffmpeg))
    assert difference is not None
    assert (difference.packet, difference.frame, difference.seconds, difference.count) == (0, 0, 0.0, 1)


def test_difference() -> None:
    first = digests("a", "b", "c", "d")
    assert first.difference(first) is None
    # Packet 1 is displayed last.
    times = (0.0, 0.12, 0.04, 0.08)
    moved = digests("a", "x", "c", "y", times=times)
    found = digests("a", "b", "c", "d", times=times).difference(moved)
    assert found == PacketDifference(1, 3, 0.12, 2, 4)
    assert str(found) == "packet 1 (frame 3, 0.120 s), and 2 of 4 packets in all"
    assert first.difference(digests("a", "b", "c", "d", configuration="e")) == PacketDifference(None, None, None, 0, 4)
    assert str(first.difference(digests("a", "b", "c", "d", configuration="e"))) == "the configuration of the decoder"
    assert first.difference(digests("a", "b")) == PacketDifference(2, 2, 0.08, 2, 4)
    bare = digests("a", "b", times=(None, None)).difference(digests("a", "c", times=(None, None)))
    assert bare == PacketDifference(1, None, None, 1, 2)
    assert str(bare) == "packet 1, and 1 of 2 packets in all"


def test_unreadable(ffmpeg: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ClipError, match="cannot be read"):
        read_digests(Clip(tmp_path / "a.mp4"), ffmpeg)
