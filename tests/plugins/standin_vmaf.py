"""Stands in for Netflix's vmaf tool: answers the same command line, and lets the embedded ffmpeg's libvmaf score.

    standin_vmaf.py -r ref.yuv -d dis.yuv -w 320 -h 180 -p 420 -b 8 --model version=vmaf_v0.6.1:name=vmaf -o log.xml

Like the tool it reads raw video, splits its models at ":" and "=", stops with the shorter clip, and calls that good.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys

DECODED = re.compile(r"Input stream #(\d):0 \(video\): .*?(\d+) frames decoded")


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-r", "--reference")
    parser.add_argument("-d", "--distorted")
    parser.add_argument("-w", "--width")
    parser.add_argument("-h", "--height")
    parser.add_argument("-p", "--pixel_format", choices=("420", "422", "444"))
    parser.add_argument("-b", "--bitdepth", choices=("8", "10", "12", "16"))
    parser.add_argument("-m", "--model", action="append", default=[])
    parser.add_argument("--feature", action="append", default=[])
    parser.add_argument("--threads", default="1")
    parser.add_argument("-o", "--output")
    parser.add_argument("--xml", dest="form", action="store_const", const="xml", default="xml")
    parser.add_argument("--json", dest="form", action="store_const", const="json")
    parser.add_argument("-q", "--quiet", action="store_true")
    parser.add_argument("-v", "--version", action="store_true")
    options = parser.parse_args()
    if options.version:
        print("0.0.0-standin", file=sys.stderr)
        return 0
    models = "|".join(_model(model) for model in options.model)
    graph = f"[0:v][1:v]libvmaf=model='{models}':log_path={options.output}:log_fmt={options.form}"
    if options.feature:
        features = [feature.replace("=", ":", 1).replace(":", r"\:") for feature in options.feature]
        graph += f":feature='{'|'.join(f'name={feature}' for feature in features)}'"
    graph += f":n_threads={options.threads}:shortest=1"
    depth = "" if options.bitdepth == "8" else f"{options.bitdepth}le"
    pix_fmt = f"yuv{options.pixel_format}p{depth}"
    argv = [os.environ.get("STANDIN_FFMPEG") or _embedded(), "-nostdin", "-hide_banner", "-loglevel", "verbose"]
    for path in (options.distorted, options.reference):
        argv += ["-f", "rawvideo", "-video_size", f"{options.width}x{options.height}"]
        argv += ["-pixel_format", pix_fmt, "-i", path]
    # The clips arrive by file descriptors that were handed down, and are handed on.
    run = subprocess.run(
        [*argv, "-filter_complex", graph, "-f", "null", "-"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        close_fds=False,
    )
    said = run.stderr.decode("utf-8", "replace")
    if "could not load" in said:
        print(f"problem loading model: {options.model}", file=sys.stderr)
        return 255
    if run.returncode != 0 or not os.path.exists(options.output):
        print(said, file=sys.stderr)
        return 255
    frames = {number: int(count) for number, count in DECODED.findall(said)}
    if frames["0"] != frames["1"]:
        short, long = options.distorted, options.reference
        if frames["0"] > frames["1"]:
            short, long = long, short
        print(f'\n"{short}" ended before "{long}".', file=sys.stderr)
    return 0


def _embedded() -> str:
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def _model(argument: str) -> str:
    """A model for the filter. What the tool would not understand must not pass here either."""
    for part in argument.split(":"):
        if part.count("=") != 1:
            sys.exit(f'Problem parsing model, bad option string "{part}".')
    return argument.replace(":", r"\:")


if __name__ == "__main__":
    sys.exit(main())
