"""`pytest-vmaf roi-score` with vmaf-roi-score's flags and exit codes, and `vmaf.roi` under pytest."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy  # noqa: F401  (compiled modules must be loaded before pytester takes note of the modules)
import pytest
from roi.builders import MEAN, PLAIN, SIGMOID, model, node, outside, wholes

from cli.commands import Run
from pytest_vmaf import Vmaf
from pytest_vmaf.cli.main import main

STANDIN = Path(__file__).parents[1] / "plugins" / "standin_vmaf.py"
#: vmaf-roi-score's, in its order.
KEYS = [
    "schema_version", "vmaf_full", "vmaf_masked", "weight", "vmaf_roi", "model", "saliency_model", "reference",
    "distorted",
]  # fmt: skip
Raw = tuple[Path, Path]


@pytest.fixture(scope="session")
def raw_folder(
    make: Callable[..., Path],
    footage: Callable[..., Path],
    encode: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """path/to/ref.yuv and path/to/dis.yuv of 192x108, four frames."""
    reference = footage("192x108", 4)
    folder = tmp_path_factory.mktemp("raw") / "path" / "to"
    folder.mkdir(parents=True)
    for clip, name in ((reference, "ref.yuv"), (encode(reference, 38), "dis.yuv")):
        make("-i", clip, "-f", "rawvideo", "-pix_fmt", "yuv420p", folder / name)
    return folder.parent


@pytest.fixture
def raw(raw_folder: Path, tmp_path: Path) -> Raw:
    """The two clips, by their published names in this test's folder."""
    (tmp_path / "path").symlink_to(raw_folder)
    return tmp_path / "path" / "to" / "ref.yuv", tmp_path / "path" / "to" / "dis.yuv"


@pytest.fixture
def asked(raw: Raw, tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The beginning of the seed's command, in the folder that it is called from."""
    monkeypatch.chdir(tmp_path)
    return [
        "roi-score", "--reference", "path/to/ref.yuv", "--distorted", "path/to/dis.yuv",
        "--width", "192", "--height", "108", "--pix-fmt", "yuv420p", "--cache-dir", str(cache_dir),
    ]  # fmt: skip


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "network.onnx"
    path.write_bytes(PLAIN)
    return path


def tool(path: Path, *lines: str) -> str:
    """Stands in for Netflix's tool: answers --version, and then does what the lines say."""
    version = 'case "$1" in --version) echo 0.0.0 >&2; exit 0;; esac'
    path.write_text("\n".join(["#!/bin/sh", version, *lines, ""]))
    path.chmod(0o755)
    return str(path)


# The command line.


def test_published_command_with_a_network(run: Run, raw: Raw, tmp_path: Path) -> None:
    (tmp_path / "model" / "tiny").mkdir(parents=True)
    (tmp_path / "model" / "tiny" / "saliency_student_v1.onnx").write_bytes(PLAIN)
    words = """
        --reference path/to/ref.yuv --distorted path/to/dis.yuv
        --width 192 --height 108 --pix-fmt yuv420p
        --saliency-model model/tiny/saliency_student_v1.onnx
        --threshold 0.3 --fade 0.1 --weight 0.5
    """
    done = run("roi-score", *words.split(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert list(data) == KEYS
    assert data["saliency_model"] == "model/tiny/saliency_student_v1.onnx"
    assert (data["reference"], data["distorted"]) == ("path/to/ref.yuv", "path/to/dis.yuv")
    assert (data["schema_version"], data["weight"], data["model"]) == (1, 0.5, "vmaf_v0.6.1")
    assert data["vmaf_roi"] == (1.0 - 0.5) * data["vmaf_full"] + 0.5 * data["vmaf_masked"]
    assert data["vmaf_masked"] != data["vmaf_full"]


def test_published_command_with_a_synthetic_mask(run: Run, raw: Raw, tmp_path: Path) -> None:
    words = """
        --reference path/to/ref.yuv --distorted path/to/dis.yuv
        --width 192 --height 108 --pix-fmt yuv420p
        --synthetic-mask 0.5 --weight 0.5
    """
    done = run("roi-score", *words.split(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('{\n  "schema_version": 1,\n  "vmaf_full": ')
    data = json.loads(done.stdout)
    assert list(data) == KEYS
    assert data["saliency_model"] == "synthetic"
    # At the default threshold and fade 0.5 keeps everything.
    assert data["vmaf_masked"] == data["vmaf_full"]


def test_json(asked: list[str], raw: Raw, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--saliency-model", str(network), "--weight", "0.7", "--threshold", "0.4", "--fade", "0", "--neg"]
    assert main([*asked, *flags, "--output", "out.json"]) == 0
    assert capsys.readouterr() == ("", "")
    data = json.loads((tmp_path / "out.json").read_text())
    from pytest_vmaf import Clip

    clips = [Clip(path, width=192, height=108) for path in raw]
    found = Vmaf().roi(*clips, saliency=network, weight=0.7, threshold=0.4, fade=0)
    assert list(data) == [
        *KEYS, "neg", "neg_masked", "neg_roi", "gap", "gap_masked", "neg_model", "mask_coverage",
    ]  # fmt: skip
    for key in ("vmaf_full", "vmaf_masked", "neg_masked", "neg_roi", "gap_masked", "mask_coverage"):
        assert data[key] == getattr(found, key), key
    assert data["vmaf_roi"] == pytest.approx(float(found.vmaf_roi), abs=1e-9)
    assert data["vmaf_roi"] == (1.0 - 0.7) * data["vmaf_full"] + 0.7 * data["vmaf_masked"]
    assert data["neg_model"] == "vmaf_v0.6.1neg"


def test_neg_model(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A model's name means the scores of that model, in every key and in the gates."""
    records = {}
    for name in ("vmaf_v0.6.1", "vmaf_v0.6.1neg"):
        assert main([*asked, "--synthetic-mask=.35", "--model", name, "--neg"]) == 0
        records[name] = json.loads(capsys.readouterr().out)
    default, neg = records.values()
    assert (default["model"], neg["model"]) == ("vmaf_v0.6.1", "vmaf_v0.6.1neg")
    same = {"vmaf_full": "neg", "vmaf_masked": "neg_masked", "vmaf_roi": "neg_roi"}
    assert {key: neg[key] for key in same} == pytest.approx({key: default[name] for key, name in same.items()})
    assert all(neg[key] < default[key] for key in same)
    between = (default["vmaf_roi"] + neg["vmaf_roi"]) / 2
    gated = [*asked, "--synthetic-mask=.35", f"--gate=min_roi={between}", "--model"]
    assert (main([*gated, "vmaf_v0.6.1"]), main([*gated, "vmaf_v0.6.1neg"])) == (0, 1)
    assert "NEG roi " in capsys.readouterr().err
    # A gate that needs both models gets both.
    assert main([*asked, "--synthetic-mask=.35", "--gate=max_gap_masked=99", "--model=vmaf_v0.6.1neg"]) == 0


@pytest.mark.slow
def test_command_of_a_result(raw: Raw, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    from pytest_vmaf import Clip

    clips = [Clip(path, width=192, height=108) for path in raw]
    third = 1 / 3
    for settings in (
        {"saliency": network, "threshold": third, "weight": third, "bt601": True},
        {"synthetic_mask": third, "fade": 0.05},
    ):
        found = Vmaf().roi(*clips, **settings)  # type: ignore[arg-type]
        program, *arguments = shlex.split(found.provenance["command"])
        assert program == "pytest-vmaf"
        assert main(arguments) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["vmaf_masked"] == float(found.vmaf_masked)
        # A weight of six digits would be seen.
        assert data["vmaf_roi"] == pytest.approx(float(found.vmaf_roi), abs=1e-9)


def test_bundled_network(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*asked, "--threshold", "0", "--fade", "0"]) == 0
    assert json.loads(capsys.readouterr().out)["saliency_model"].startswith("pytest-vmaf saliency ")


@pytest.mark.slow
def test_bt601(
    make: Callable[..., Path], footage: Callable[..., Path], network: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tagged = [
        make("-i", footage("192x108", 4), "-vf", chain, "-c:v", "ffv1", tmp_path / f"{number}.mkv")
        for number, chain in enumerate(("setparams=colorspace=bt709", "gblur=sigma=1.5,setparams=colorspace=bt709"))
    ]
    flags = ["roi-score", "--reference", str(tagged[0]), "--distorted", str(tagged[1]), "--threshold", "0.45"]
    flags += ["--fade", "0", "--neg", "--saliency-model", str(network)]
    found = []
    for more in ([], ["--bt601"]):
        assert main([*flags, *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["mask_coverage"] != found[1]["mask_coverage"]
    assert found[0]["vmaf_full"] == found[1]["vmaf_full"]


@pytest.mark.slow
def test_models(
    make: Callable[..., Path], footage: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = "testsrc2=size=1442x1442:rate=25,format=yuv420p"
    large = make("-f", "lavfi", "-i", scene, "-frames:v", 1, "-c:v", "ffv1", tmp_path / "large.mkv")
    small, models = footage("320x180", 4), []
    for clip, more in (
        (large, []),
        (large, ["--model", "auto"]),
        (small, ["--generation", "v1"]),
        (small, ["--phone"]),
    ):
        assert main(["roi-score", f"--reference={clip}", f"--distorted={clip}", "--synthetic-mask=1", *more]) == 0
        models.append(json.loads(capsys.readouterr().out)["model"])
    # Above 1440 lines "auto" takes another.
    assert models[:2] == ["vmaf_v0.6.1", "vmaf_4k_v0.6.1"]
    # A generation is not passed over for the default model.
    assert models[2].startswith("vmaf_v1")
    assert models[3] == "vmaf_v0.6.1 (phone)"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--weight", "1.5"], "weight must be a number from 0 to 1, not 1.5"),
        (["--weight", "nan"], "weight must be a number from 0 to 1, not nan"),
        (["--threshold", "-1"], "threshold must be a number from 0 to 1, not -1.0"),
        (["--fade", "inf"], "fade must be a number from 0 to 1, not inf"),
        (["--synthetic-mask", "2"], "synthetic_mask must be a number from 0 to 1, not 2.0"),
        (["--gate", "min_nge=3"], "Did you mean 'min_neg'"),
        (["--gate", "min_neg_tile=3"], "min_neg_tile"),
        (["--gate", "min_roi=many"], "finite number"),
        (["--output", "no/such/folder.json"], "there is no folder"),
        (["--output", "."], "must be a file, and"),
        (["--width", "0"], "width of raw video must be"),
    ],
)
def test_usage(asked: list[str], flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*asked, *flags]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--synthetic-mask", "0.5", "--saliency-model", "a.onnx"], "not allowed with argument"),
        (["--weight", "much"], "invalid float value"),
        (["--height", "ten"], "invalid int value"),
    ],
)
def test_invalid_values(asked: list[str], flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*asked, *flags])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_missing_clip(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    asked[asked.index("path/to/dis.yuv")] = "no.yuv"
    assert main([*asked, "--synthetic-mask=.5"]) == 3
    assert "no.yuv does not exist" in capsys.readouterr().err


BAD = {
    "no file": None,
    "no network": b"not a network",
    "empty": b"",
    "outside files": model(MEAN, SIGMOID, tensors=(outside("weights.bin"),)),
    "another shape": model(node("ReduceMean", "input", "saliency_map", wholes("axes", 1, 2))),
    "not a number": model(MEAN, node("Log", "grey", "saliency_map")),
    "nothing salient": model(MEAN, node("Sub", "grey grey", "saliency_map")),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_network(asked: list[str], case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.onnx"
    if (content := BAD[case]) is not None:
        path.write_bytes(content)
    assert main([*asked, "--saliency-model", str(path), "--output", "out.json"]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pytest-vmaf: saliency mask failed: ")
    assert "Traceback" not in err
    assert not Path("out.json").exists()


@pytest.mark.parametrize("pix_fmt", ["yuv420p10be", "nv12", "rgb24", "nonsense", ""])
def test_bad_pixel_format(asked: list[str], pix_fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked[asked.index("yuv420p")] = pix_fmt
    assert main([*asked, "--synthetic-mask=0.5"]) == 64
    assert f"The pixel format {pix_fmt!r} cannot be masked" in capsys.readouterr().err


def test_empty_mask(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*asked, "--synthetic-mask=0.2"]) == 64
    assert "keeps nothing of any of the 4 frames" in capsys.readouterr().err


@pytest.fixture(scope="module")
def good_log(raw_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of the tool for this pair of clips."""
    folder = tmp_path_factory.mktemp("log")
    log, script = folder / "good.xml", folder / "keeping"
    keeping = tool(script, f'"{sys.executable}" "{STANDIN}" "$@" && cp log.xml "{log}"')
    clips = [f"--reference={raw_folder}/to/ref.yuv", f"--distorted={raw_folder}/to/dis.yuv", "--width=192"]
    words = [*clips, "--height=108", "--synthetic-mask=.35", "--vmaf-bin", keeping, "--output", str(folder / "a.json")]
    assert main(["roi-score", *words]) == 0
    return log


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="the scorer needs /dev/fd; this system has none")
@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["exit 7"], 7),
        (["cat $2 $4 >/dev/null; exit 1"], 1),
        (["kill -11 $$"], 139),
        # Both clips are read to their ends, and there is no log.
        (["cat $2 $4 >/dev/null"], 65),
        (["cat $2 $4 >/dev/null", "for name; do :; done", "echo '<VMAF' > $name"], 65),
        (["cat $2 $4 >/dev/null", "for name; do :; done", 'sed \'s/ vmaf="[^"]*"/ vmaf="nan"/\' LOG > $name'], 65),
        (["cat $2 $4 >/dev/null", "for name; do :; done", 'sed \'s/ vmaf="[^"]*"//\' LOG > $name'], 65),
    ],
)
@pytest.mark.slow
def test_exit_codes_of_the_scorer(
    asked: list[str], tmp_path: Path, good_log: Path, lines: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = tool(tmp_path / "fake", *[line.replace("LOG", f"'{good_log}'") for line in lines])
    assert main([*asked, "--synthetic-mask=.35", "--vmaf-bin", fake, "--output", "out.json"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pytest-vmaf: no pooled score: " if code == 65 else "pytest-vmaf: error: ")
    assert not Path("out.json").exists()


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="the scorer needs /dev/fd; this system has none")
@pytest.mark.slow
def test_vmaf_bin_selects_the_scorer(asked: list[str], tmp_path: Path) -> None:
    named = tmp_path / "named"
    fake = tool(tmp_path / "my-vmaf", f"touch {named}", f'exec "{sys.executable}" "{STANDIN}" "$@"')
    assert main([*asked, "--synthetic-mask=.35", "--output", "a.json", "--vmaf-bin", fake]) == 0
    assert named.exists()
    assert main([*asked, "--synthetic-mask=.35", "--output", "b.json"]) == 0
    first, second = (json.loads(Path(name).read_text()) for name in ("a.json", "b.json"))
    assert first["vmaf_masked"] == pytest.approx(second["vmaf_masked"], abs=1e-3)


def test_damaged_clip(reference: Path, encoded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(encoded.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 1500] = b"\x55" * 1500
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    code = main(["roi-score", f"--reference={reference}", f"--distorted={damaged}", "--synthetic-mask=.5"])
    assert code not in (0, 1, 2, 64, 65)
    assert "damaged.mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("min_roi=99.9", "VMAF roi "),
        ("min_neg_roi=99.9", "NEG roi "),
        # Also those that the whole picture has.
        ("min_neg=99.9", "NEG "),
        ("max_gap=0.0001", "gap "),
        ("min_psnr_y=99", "psnr_y "),
    ],
)
def test_failing_gates(
    asked: list[str], gate: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked, "--synthetic-mask=.35", "--gate", gate, "--output", "out.json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pytest-vmaf: {words}")
    assert "(1 of 1 gates failed)" in err.splitlines()[0]
    assert list(json.loads(Path("out.json").read_text())) == KEYS


def test_passing_gates(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    gates = ["--gate", "min_roi=1", "--gate", "min_neg_masked=1", "--gate=above_100=on", "--gate=max_gap=off"]
    assert main([*asked, "--synthetic-mask=.35", *gates]) == 0
    assert main([*asked, "--synthetic-mask=.35", "--gate=min_roi=99.9", "--gate=min_roi=1"]) == 0
    assert main([*asked, "--synthetic-mask=.35", "--gate=min_roi=1", "--gate=min_roi=99.9"]) == 1
    assert "VMAF roi" in capsys.readouterr().err


def test_score_refuses_gates_of_a_mask(reference: Path, encoded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`score` measures no mask; a gate upon one that was never held must not look like one that was."""
    assert main(["score", str(reference), str(encoded), "--gate=min_roi=99.9", "--gate=max_gap=off"]) == 2
    assert "min_roi requires the command roi" in capsys.readouterr().err


@pytest.mark.slow
def test_strange_names(
    footage: Callable[..., Path], encode: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import shlex

    monkeypatch.chdir(tmp_path)
    shutil.copy(footage("192x108", 4), "-i;$(touch${IFS}x)'ref'.mkv")
    shutil.copy(encode(footage("192x108", 4), 38), "ünï%d[0].mp4")
    arguments = ["--reference=-i;$(touch${IFS}x)'ref'.mkv", "--distorted", "ünï%d[0].mp4", "--synthetic-mask=.35"]
    assert main(["roi-score", *arguments]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["reference"], data["distorted"]) == ("-i;$(touch${IFS}x)'ref'.mkv", "ünï%d[0].mp4")
    assert len(list(tmp_path.iterdir())) == 2
    found = Vmaf().roi("-i;$(touch${IFS}x)'ref'.mkv", "ünï%d[0].mp4", synthetic_mask=0.35)
    assert main(shlex.split(found.provenance["command"])[1:]) == 0
    assert json.loads(capsys.readouterr().out)["vmaf_masked"] == float(found.vmaf_masked)


# Under pytest.

RunTests = Callable[..., pytest.RunResult]


@pytest.fixture
def run_tests(
    pytester: pytest.Pytester, footage: Callable[..., Path], encode: Callable[..., Path], cache_dir: Path
) -> RunTests:
    """Run pytest in this process with a JSON report; the tests inside have `from clips import *`."""
    reference = footage("192x108", 4)
    clips = f"REF, DIS = {str(reference)!r}, {str(encode(reference, 38))!r}"
    pytester.makepyfile(clips=f"{clips}\nMASK = {{'synthetic_mask': 0.35}}\n")
    options = ["--vmaf-json=r.json", f"--vmaf-cache-dir={cache_dir}", "-p", "no:cacheprovider"]
    return lambda *arguments: pytester.runpytest(*options, *arguments)


def measured(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    from pytest_vmaf.report.document import read

    document = read(pytester.path / "r.json")
    return [record for test in document["tests"] for record in test["measurements"]]


@pytest.mark.slow
def test_pytest_gates(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from clips import *

        def test_held(vmaf):
            found = vmaf.roi(REF, DIS, min_roi=20, min_neg_roi=20, **MASK)
            assert found.vmaf_full < found.vmaf_roi < found.vmaf_masked

        def test_violated(vmaf):
            vmaf.roi(REF, DIS, min_roi=99.9, max_gap_masked=-50, **MASK)

        def test_plain(vmaf):
            assert vmaf.roi(REF, DIS, **MASK).vmaf_roi >= 99.5

        def test_no_mask(vmaf):
            vmaf.roi(REF, DIS, synthetic_mask=0.1, min_roi=1)
        """
    )
    result = run_tests()
    result.assert_outcomes(passed=1, failed=2, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "*GateViolation: VMAF roi * < 99.9; gap masked * > -50 (2 of 2 gates failed)",
            "*min_roi: VMAF roi * (missed by *; set by the call)",
            "*worst frames: frame *",
            "*note: roi: weight 0.5, threshold 0.3, fade 0.1, saliency synthetic; the mask keeps 50.00 % of *",
            "E*assert VMAF roi * >= 99.5   (left minus right: -*)",
            "*MaskError: The mask keeps nothing of any of the 4 frames*",
        ]
    )
    records = measured(pytester)
    statuses = sorted(record["status"] for record in records)
    assert len(records) == 4
    assert statuses.count("failed") == 1
    held = next(record for record in records if record["status"] == "passed")
    assert held["provenance"]["command"].startswith("pytest-vmaf roi-score")


@pytest.mark.parametrize("where", ["marker", "ini", "command line"])
def test_pytest_origin_of_min_roi(run_tests: RunTests, pytester: pytest.Pytester, where: str) -> None:
    mark = "@pytest.mark.vmaf(min_roi=99.9)" if where == "marker" else ""
    pytester.makepyfile(
        f"""
        import pytest
        from clips import *

        {mark}
        def test_mask(vmaf):
            vmaf.roi(REF, DIS, **MASK)
        """
    )
    if where == "ini":
        pytester.makeini("[pytest]\nvmaf_gates = min_roi=99.9\n")
    result = run_tests(*(["--vmaf-gate=min_roi=99.9"] if where == "command line" else []))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*min_roi: VMAF roi * < 99.9 (missed by *; set by the {where})"])


@pytest.mark.slow
def test_pytest_nearest_gate_wins(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        @pytest.mark.vmaf(min_roi=20)
        def test_marker_over_command_line(vmaf):
            vmaf.roi(REF, DIS, **MASK)

        @pytest.mark.vmaf(min_roi=99.9)
        def test_call_over_marker(vmaf):
            vmaf.roi(REF, DIS, min_vmaf_roi=20, **MASK)
        """
    )
    run_tests("--vmaf-gate=min_roi=99.8").assert_outcomes(passed=2)


@pytest.mark.slow
def test_pytest_unchecked_gate(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from clips import *

        @pytest.mark.vmaf(min_roi=1, max_gap=None)
        def test_marked(vmaf):
            vmaf.check(REF, DIS)

        def test_call(vmaf):
            vmaf.check(REF, DIS, min_roi=1)

        @pytest.mark.vmaf(min_roi=1)
        def test_mask_that_failed(vmaf):
            try:
                vmaf.roi(REF, DIS, synthetic_mask=0)
            except Exception:
                pass
        """
    )
    result = run_tests()
    result.assert_outcomes(failed=2, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "*min_roi (marker) was never checked: no measurement in this test supports it.*",
            "*SettingsError: min_roi requires vmaf.roi() without neg_only=True: no other method measures vmaf_roi.",
        ]
    )


def test_pytest_unchecked_gate_of_the_run(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("from clips import *\n\ndef test_check(vmaf):\n    vmaf.check(REF, DIS, max_gap=None)\n")
    result = run_tests("--vmaf-gate=min_roi=99.9")
    result.stdout.fnmatch_lines(["*min_roi*never checked*"])
