"""What a manifest means, and what a broken one says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import pytest_vmaf
from pytest_vmaf.settings import resolve
from pytest_vmaf.suite.suite import SuiteEncode, SuitePair

from .conftest import CLIP, ENCODE, Read

Problems = Callable[..., list[str]]
HEAD = f"version = 1\n{CLIP}{ENCODE}"
WHOLE = """
version = 1
markers = ["nightly"]
baseline = ["natural"]

[gates]
min_neg = 80
max_drop = 0.3

[settings]
model = "models/own.json"

[[clips]]
path = "clips/bunny.y4m"
hash = "md5:D41D8CD98F00B204E9800998ECF8427E"
groups = ["natural", "short"]
[clips.gates]
min_neg = 70

[[clips]]
name = "screen"
path = "clips/screen.yuv"
width = 192
height = 108
frame_rate = "30000/1001"
sha256 = "unchecked"

[[encodes]]
name = "x265"
encoder = "libx265:medium"
arguments = "-x265-params log-level=error"
crfs = [22, 28]
markers = ["slow"]
[encodes.gates]
max_gap = 3
min_neg = 75

[[encodes]]
name = "own"
encoder = "./enc --crf {crf} {input} {output}"
crf_range = [0, 63]
targets = [93, 96.5]
clips = ["short", "screen"]
min_crf = 20
baseline = false

[[pairs]]
name = "release"
distorted = "out/{clip}-{crf}.mp4"
crfs = [30]
report_only = true
"""


@pytest.fixture
def own_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file that is not read."""
    monkeypatch.setattr("pytest_vmaf.scoring.models.named_model", lambda name: None)


@pytest.mark.usefixtures("own_model")
def test_whole_manifest(read: Read) -> None:
    suite = read(WHOLE)
    ids = ["x265::bunny-22", "x265::bunny-28", "x265::screen-22", "x265::screen-28"]
    assert [test.id for test in suite.tests] == [
        *ids,
        "own::bunny-93-96.5",
        "own::screen-93-96.5",
        "release::bunny-30",
        "release::screen-30",
    ]
    first, own, pair = suite.tests[0], suite.tests[4], suite.tests[6]
    assert isinstance(first.entry, SuiteEncode)
    assert first.entry.options == {"arguments": ("-x265-params", "log-level=error")}
    assert (first.crf, first.marks, first.line) == (22, ("natural", "short", "nightly", "slow"), 28)
    assert suite.clips[0].hash == "md5:d41d8cd98f00b204e9800998ecf8427e"
    assert suite.clips[1].clip.frame_rate is not None
    assert isinstance(own.entry, SuiteEncode)
    assert own.entry.search == {"min_crf": 20}
    assert own.entry.encoder.crf_range == (0, 63)
    # As every path, the program is next to the manifest.
    assert own.entry.encoder.command[0] == str(suite.path.parent / "enc")
    assert isinstance(pair.entry, SuitePair)
    assert pair.entry.clip_of(pair).path == suite.path.parent / "out" / "bunny-30.mp4"
    assert (pair.report_only, first.report_only) == (True, None)


@pytest.mark.usefixtures("own_model")
def test_layers(read: Read) -> None:
    suite = read(WHOLE)
    first, other = suite.tests[0], suite.tests[2]
    # The clip's gate is nearer than the entry's, and that than the manifest's.
    gates = [str(gate) for layer in first.layers for gate in layer.gates]
    assert gates == [f"{gate} (manifest)" for gate in ("min_neg=70", "max_gap=3", "min_neg=75", "min_neg=80")]
    assert resolve(first.layers).values["model"] == str(suite.path.parent / "models/own.json")
    # A baseline for the groups that have one, and tolerances where there is a baseline.
    assert [next((layer.baseline for layer in test.layers if layer.baseline), None) for test in suite.tests] == [
        *(True, True, None, None),
        *(None, None),
        *(True, None),
    ]
    assert [str(each) for layer in first.layers for each in layer.tolerances] == ["max_drop=0.3 (manifest)"]
    assert [each for layer in other.layers for each in layer.tolerances] == []


@pytest.mark.usefixtures("own_model")
def test_sweeps(read: Read) -> None:
    suite = read(WHOLE)
    (grid,) = suite.sweeps()
    assert [clip.path.name for clip in grid.pop("sources")] == ["bunny.y4m", "screen.yuv"]
    assert [encoder.name for encoder in grid.pop("encoders")] == ["libx265"]
    arguments = ("-x265-params", "log-level=error")
    model = str(suite.path.parent / "models/own.json")
    assert grid == {"crfs": (22, 28), "presets": [None], "arguments": arguments, "model": model}


def test_modes(read: Read) -> None:
    def mode(text: str) -> tuple[str, object, tuple[float, ...]]:
        [test] = read(text).tests
        assert isinstance(test.entry, SuiteEncode)
        return test.id, test.entry.encoder.mode, test.entry.crfs

    rates = HEAD.replace("crfs = [28]", "bitrates = [1500]")
    assert mode(rates) == ("x::a-1500", "bitrate", (1500,))
    assert mode(f"{rates}mode = '2pass'") == ("x::a-1500", "2pass", (1500,))
    assert mode(rates.replace("libx264", "libx264:fast:2pass")) == ("x::a-1500", "2pass", (1500,))
    assert (
        mode(HEAD.replace("crfs = [28]", "bitrates = [1500]") + "mode = '2pass'\ncrf_range = [500, 3000]")[1] == "2pass"
    )


def test_steps(read: Read) -> None:
    text = HEAD.replace("[28]", "[28, 28.3]") + "crf_step = 0.1\n"
    pair = '[[pairs]]\nname = "p"\ndistorted = "x-{crf}.mp4"\ncrfs = [28.0, 28.3]\n'
    suite = read(text + pair)
    assert [test.id for test in suite.tests] == ["x::a-28", "x::a-28.3", "p::a-28", "p::a-28.3"]
    assert [str(test.crf) for test in suite.tests[:2]] == ["28", "28.3"]
    names = [test.entry.clip_of(test).path.name for test in suite.tests if isinstance(test.entry, SuitePair)]
    assert names == ["x-28.mp4", "x-28.3.mp4"]
    [grid] = suite.sweeps()
    assert grid["encoders"][0].crf_step == 0.1


def test_ids_are_stable(read: Read) -> None:
    """Entries that are added or reordered change no other id."""
    other = '[[encodes]]\nname = "y"\nencoder = "libx265"\ncrfs = [30, 20]\n'
    clip = '[[clips]]\npath = "b.y4m"\nsha256 = "unchecked"\n'
    before = {test.id for test in read(HEAD).tests}
    after = {test.id for test in read(f"version = 1\n{clip}{CLIP}{other}{ENCODE}").tests}
    assert before == {"x::a-28"} < after


def test_yaml_is_the_same(read: Read) -> None:
    text = """
    version: 1
    common: &common {crfs: [28]}
    clips:
      - {name: a, path: a.y4m, sha256: unchecked}
    encodes:
      - name: x
        encoder: libx264
        <<: *common
    """
    with pytest.raises(pytest_vmaf.SettingsError, match=r"vmaf.yaml:3: the manifest has an unknown key 'common'"):
        read(text, "vmaf.yaml")
    text = text.replace("    common: &common {crfs: [28]}\n", "").replace("<<: *common", "<<: {crfs: [28]}")
    assert [test.id for test in read(text, "vmaf.yaml").tests] == [test.id for test in read(HEAD).tests]


def test_export(read: Read) -> None:
    assert pytest_vmaf.read_suite(read(HEAD).path).tests[0].id == "x::a-28"
    assert isinstance(read(HEAD), pytest_vmaf.Suite)


BROKEN = {
    # The top.
    "": "vmaf.toml:1: the manifest lacks version. Write version = 1 at its top.",
    "versoin = 1\n[[clips]]\n": "vmaf.toml:1: the manifest lacks version. Write version = 1 at its top. Did you mean",
    "\nversion = 2": "vmaf.toml:2: version must be 1, which is the version that this pytest-vmaf reads, not 2.",
    "version = true": "vmaf.toml:1: version must be 1, which",
    "version = 1": "vmaf.toml:1: the manifest has no tests: there are no [[clips]].",
    f"version = 1\n{CLIP}": "vmaf.toml:1: the manifest has no tests: there are neither [[encodes]] nor [[pairs]].",
    f"version = 1\n{ENCODE}": "vmaf.toml:2: encodes[x] matches no clip: the manifest has no [[clips]].",
    f"{HEAD}\n[[clip]]": "vmaf.toml:11: the manifest has an unknown key 'clip'. Did you mean 'clips'?",
    f"{HEAD}\n[clipz]\n[gates]\nmin_neq = 3": "vmaf.toml:13: gates.min_neq is invalid: 'min_neq' (manifest) has an",
    "version = 1\nclips = 3": "vmaf.toml:2: clips must be an array of tables: write [[clips]] above each, not 3.",
    "version = 1\ngates = [1]": "vmaf.toml:2: gates must be a table, not [1].",
    'version = 1\nreport_only = "yes"': "vmaf.toml:2: report_only must be true or false, not 'yes'.",
    'version = 1\nmarkers = ["usefixtures"]': "vmaf.toml:2: markers must not contain 'usefixtures', which pytest acts",
    'version = 1\nmarkers = ["a b"]': "vmaf.toml:2: markers must be letters, digits and . _ + -, beginning with",
    'version = 1\nmarkers = ["not"]': "vmaf.toml:2: markers must be letters, digits and . _ + -, beginning with",
    f"{HEAD}\nversion = 1": "vmaf.toml:11: encodes[x] has an unknown key 'version'.",
    # TOML itself.
    "version = 1\n[[clips]]\nname = ": "vmaf.toml:3: this is not valid TOML: Invalid value.",
    'version = 1\npath = "C:\\Users"': "vmaf.toml:2: this is not valid TOML: Invalid hex value. Write paths with / or",
    "version = 1\nversion = 2": "vmaf.toml:2: this is not valid TOML: Cannot overwrite a value.",
    f"version = 1{'0' * 5000}": "vmaf.toml:1: this is not valid TOML: Exceeds the limit",
    f"version = {'[' * 100_000}": "vmaf.toml: it is nested too deeply.",
    # Gates and settings.
    f"{HEAD}[encodes.gates]\nneg_min = 3": "vmaf.toml:11: encodes[x].gates.neg_min is not a gate. Did you mean",
    f"{HEAD}[encodes.gates]\nmin_neg = nan": "vmaf.toml:11: encodes[x].gates.min_neg is invalid: The limit of min_neg",
    f"{HEAD}[encodes.gates]\nmin_neg = inf": "vmaf.toml:11: encodes[x].gates.min_neg is invalid: The limit of min_neg",
    f"{HEAD}[encodes.gates]\nmin_neg = true": "vmaf.toml:11: encodes[x].gates.min_neg is invalid: The limit of min_neg",
    f"{HEAD}[encodes.gates]\nmin_roi = 3": "vmaf.toml:11: encodes[x].gates.min_roi is not measured by the tests of a",
    f"{HEAD}[encodes.gates]\nmin_neg = 3\nmin_neg_mean = 4": "vmaf.toml:10: encodes[x].gates is invalid: min_neg and",
    f"{HEAD}[encodes.gates]\nmax_drop = 3": "vmaf.toml:11: encodes[x].gates.max_drop compares with a baseline, but no",
    f"{HEAD}[encodes.gates]\nmax_bitrate_rise = 3": "vmaf.toml:11: encodes[x].gates.max_bitrate_rise compares with a",
    f"{HEAD}[encodes.settings]\nmodle = 3": "vmaf.toml:11: encodes[x].settings has an unknown key 'modle'. Did you",
    f"{HEAD}[encodes.settings]\nthreads = true": "vmaf.toml:11: encodes[x].settings.threads is invalid: threads",
    f'{HEAD}[encodes.settings]\nmodel = "vmaf_v9"': "vmaf.toml:11: encodes[x].settings.model is invalid:",
    f"{HEAD}[encodes.stream]\ncodek = 3": "vmaf.toml:11: encodes[x].stream.codek is invalid: 'codek' (manifest) is not",
    f"{HEAD}[encodes.stream]\ncodec = 3": "vmaf.toml:11: encodes[x].stream.codec is invalid: codec (manifest) must be",
    f"{HEAD}[encodes.stream]\nvbv_size = 3": "vmaf.toml:10: encodes[x].stream is invalid: A buffer needs both",
    HEAD.replace("crfs = [28]", "targets = [80]") + "baseline = true\n[encodes.stream]\nbitstream = 'same'": (
        "vmaf.toml:12: encodes[x].stream.bitstream is not compared where there are targets: their"
    ),
    f"{HEAD}[encodes.stream]\nbitstream = 'same'": "vmaf.toml:11: encodes[x].stream.bitstream compares with a baseline",
    # Clips.
    "version = 1\n[[clips]]\nname = 3": "vmaf.toml:2: clips[1] lacks path.",
    'version = 1\n[[clips]]\npath = "a b.y4m"': "vmaf.toml:2: clips[1] lacks a name: that of its file has characters",
    'version = 1\n[[clips]]\nname = "a::b"\npath = "x"': "vmaf.toml:3: clips[1].name must be letters, digits and",
    'version = 1\n[[clips]]\npath = "x"': "vmaf.toml:2: clips[1] lacks sha256. `pytest-vmaf suite --hash ",
    'version = 1\n[[clips]]\npath = "x"\nsha256 = "12"': "vmaf.toml:4: clips[1].sha256 must be 64 hexadecimal digits",
    'version = 1\n[[clips]]\npath = "x"\nhash = "sha:12"': "vmaf.toml:4: clips[1].hash must be ALGORITHM:DIGITS with",
    'version = 1\n[[clips]]\npath = "x"\nhash = "md5:1"\nsha256 = "1"': "vmaf.toml:2: clips[1] has both sha256 and",
    'version = 1\n[[clips]]\npath = "clips\\bunny"': "vmaf.toml:3: clips[1].path must not contain control characters",
    "version = 1\n[[clips]]\npath = 'clips\\bunny'": "vmaf.toml:3: clips[1].path must be written with /, which",
    'version = 1\n[[clips]]\npath = "*.y4m"': "vmaf.toml:3: clips[1].path must be one file, not '*.y4m': each clip has",
    'version = 1\n[[clips]]\npath = "https://x/a.mp4"': "vmaf.toml:3: clips[1].path must be the path of a file, not",
    'version = 1\n[[clips]]\nurl = "x"': "vmaf.toml:3: clips[1] has an unknown key 'url'. Nothing is downloaded.",
    f"version = 1\n{CLIP}width = true": "vmaf.toml:6: clips[a].width must be no truth value, not True.",
    f"version = 1\n{CLIP}frame_rate = nan": "vmaf.toml:6: clips[a].frame_rate must be a finite number, not nan.",
    f"version = 1\n{CLIP}width = 3": "vmaf.toml:2: clips[a] is invalid: ",
    f"{HEAD}{CLIP}": "vmaf.toml:10: clips[a] is a second clip of this name; the first is vmaf.toml:2.",
    f'version = 1\n{CLIP}groups = "natural"': "vmaf.toml:6: clips[a].groups must be a list of names, not 'natural'.",
    f'version = 1\n{CLIP}groups = ["g", "g"]': "vmaf.toml:6: clips[a].groups has 'g' twice.",
    f'version = 1\n{CLIP}groups = ["skip"]': "vmaf.toml:6: clips[a].groups must not contain 'skip', which pytest acts",
    f'version = 1\n{CLIP}groups = ["a"]\n{ENCODE}': "vmaf.toml:2: clips has 'a' as a clip and as a group. Rename one.",
    'version = 1\n[[clips]]\npath = "${NO_FOLDER}/a"': "vmaf.toml:3: clips[1].path names the environment variable NO_",
    # Encodes.
    f'{HEAD}clips = ["natrual"]': "vmaf.toml:10: encodes[x].clips has 'natrual', which is neither a clip nor a group",
    f"{HEAD}clips = []": "vmaf.toml:10: encodes[x].clips must not be empty.",
    f"{HEAD}{ENCODE}": "vmaf.toml:11: encodes[x].name is a second entry of this name; the first is in line 6.",
    f"{HEAD}crf = 3": "vmaf.toml:10: encodes[x] has an unknown key 'crf'. Write crfs = [28].",
    f"{HEAD}targets = [3]": "vmaf.toml:6: encodes[x] has both crfs and targets; write two entries,",
    f"{HEAD}metric = 'neg'": "vmaf.toml:10: encodes[x].metric is only for targets.",
    f"{HEAD}preset = 'fats'": "vmaf.toml:10: encodes[x].preset is invalid: libx264 has no preset 'fats'. Did you mean",
    f"{HEAD}preset = 1.5": "vmaf.toml:10: encodes[x].preset must be a string or a whole number, not 1.5.",
    f"{HEAD}arguments = \"'\"": "vmaf.toml:10: encodes[x].arguments cannot be split: No closing quotation.",
    f"{HEAD}arguments = '-i x'": "vmaf.toml:10: encodes[x].arguments is invalid: ",
    f"{HEAD}crf_range = [0, 63]": "vmaf.toml:10: encodes[x].crf_range is only for commands: libx264 has its own.",
    f"{HEAD}mode = '3pass'": "vmaf.toml:8: encodes[x].encoder is invalid: mode must be one of",
    f"{HEAD}mode = 2": "vmaf.toml:10: encodes[x].mode must be a string",
    f"{HEAD}bitrates = [500]": 'vmaf.toml:9: encodes[x].crfs cannot be used in mode = "bitrate". Write bitrates.',
    HEAD.replace("crfs", "bitrates") + "mode = 'crf'": "vmaf.toml:9: encodes[x].bitrates cannot be used in mode",
    HEAD.replace("crfs = [28]", "bitrates = [0]"): "vmaf.toml:9: encodes[x].bitrates must be from 1 to 1000000 for",
    HEAD.replace("libx264", "librav1e") + "mode = '2pass'": "vmaf.toml:8: encodes[x].encoder is invalid: librav1e has",
    f"{HEAD}crf_step = 0.3": "vmaf.toml:10: encodes[x].crf_step is invalid: libx264: crf_step must be 1, or",
    f"{HEAD}crf_step = '1'": "vmaf.toml:10: encodes[x].crf_step must be a finite number, not '1'.",
    HEAD.replace("libx264", "libaom-av1") + "crf_step = 0.5": "vmaf.toml:10: encodes[x].crf_step is invalid: libaom",
    HEAD.replace("[28]", "[28.3]") + "crf_step = 0.25": "vmaf.toml:9: encodes[x].crfs must be from 0 to 51 in steps of",
    HEAD.replace("crfs = [28]", "targets = [93]\nmin_crf = -1"): "vmaf.toml:10: encodes[x].min_crf must be a number of",
    f"{HEAD}baseline = 3": "vmaf.toml:10: encodes[x].baseline must be true, false or a list of groups and clips,",
    f'{HEAD}baseline = ["b"]': "vmaf.toml:10: encodes[x].baseline has 'b', which is neither a clip nor a group of",
    HEAD.replace("libx264", "libx266"): "vmaf.toml:8: encodes[x].encoder is invalid: There is no encoder 'libx266'.",
    HEAD.replace("libx264", "libx264:fast") + "preset = 'slow'": (
        "vmaf.toml:10: encodes[x].preset is invalid: libx264 has only the preset 'fast' here, as in 'libx264:fast', but"
    ),
    HEAD.replace("libx264", "libx264:f"): "vmaf.toml:8: encodes[x].encoder is invalid: libx264 has no preset 'f'.",
    HEAD.replace("libx264", "enc {crf} {in}"): "vmaf.toml:8: encodes[x].encoder is invalid: enc: {in} is not a",
    HEAD.replace("[28]", "[28, 52]"): "vmaf.toml:9: encodes[x].crfs must be from 0 to 51 for libx264, not 52.",
    HEAD.replace("[28]", "[28,\n true]"): "vmaf.toml:10: encodes[x].crfs must be whole numbers, not True.",
    HEAD.replace("[28]", "[2.5]"): "vmaf.toml:9: encodes[x].crfs must be whole numbers, not 2.5. For fractions, set",
    HEAD.replace("[28]", "28"): "vmaf.toml:9: encodes[x].crfs must be a list of whole numbers, for example [22, 28]",
    HEAD.replace("[28]", "[28, 28]"): "vmaf.toml:9: encodes[x].crfs has 28 twice.",
    HEAD.replace("crfs = [28]", ""): "vmaf.toml:6: encodes[x] lacks crfs or targets, for example",
    HEAD.replace('encoder = "libx264"', ""): "vmaf.toml:6: encodes[x] lacks encoder. For files that exist already,",
    HEAD.replace('name = "x"', ""): "vmaf.toml:6: encodes[1] lacks name, for example",
    HEAD.replace("crfs = [28]", "targets = [101]"): "vmaf.toml:9: encodes[x].targets must be from 1 to 100 for",
    HEAD.replace("crfs = [28]", "targets = [0.9]"): "vmaf.toml:9: encodes[x].targets must be from 1 to 100 for",
    HEAD.replace("crfs = [28]", "targets = [nan]"): "vmaf.toml:9: encodes[x].targets must be finite numbers, not nan.",
    HEAD.replace("crfs = [28]", "targets = [93]\nmetric = 'ngg'"): "vmaf.toml:10: encodes[x].metric is invalid: metric",
    HEAD.replace("crfs = [28]", "targets = [93]\nrepeats = 0"): "vmaf.toml:10: encodes[x].repeats must be a whole",
    HEAD.replace("crfs = [28]", "targets = [93]\nbaseline = true\nagree = ['psnr']"): (
        "vmaf.toml:11: encodes[x].agree is invalid: metric must be a measure of quality, not 'psnr'. Did you"
    ),
    HEAD.replace("crfs = [28]", "targets = [93]\nagree = ['psnr_y']"): (
        "vmaf.toml:10: encodes[x].agree compares with a baseline, but no test that it applies to has one. Add"
    ),
    f"{HEAD}agree = ['psnr_y']": "vmaf.toml:10: encodes[x].agree is only for targets.",
    HEAD.replace("crfs = [28]", "targets = [93]\nsample = inf"): "vmaf.toml:10: encodes[x].sample must be a number of",
    # Pairs.
    f'{HEAD}[[pairs]]\nname = "p"\ndistorted = "{{crf}}"': "vmaf.toml:12: pairs[p].distorted must contain {crf} where",
    f'{HEAD}[[pairs]]\nname = "p"\ndistorted = "{{c}}"': "vmaf.toml:12: pairs[p].distorted has an unknown placeholder",
    f'{HEAD}[[pairs]]\nname = "x"\ndistorted = "a"': "vmaf.toml:11: pairs[x].name is a second entry of this name;",
    f'{HEAD}[[pairs]]\nname = "p"\nreference = "a"': "vmaf.toml:12: pairs[p] has an unknown key 'reference'. Write",
    f'{HEAD}[[pairs]]\nname = "p"\ndistorted = "{{clip}}"\nsha256 = "{"0" * 64}"': "vmaf.toml:13: pairs[p].sha256",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BROKEN.items(), ids=range(len(BROKEN)))
def test_broken_manifest(problems: Problems, text: str, expected: str) -> None:
    lines = problems(text)
    assert any(line.startswith(expected) for line in lines), lines


def test_all_problems_at_once(problems: Problems) -> None:
    text = f"{HEAD}foo = 1\n{CLIP}".replace("version = 1", 'version = 1\nmarkers = ["vmaf"]\n[gates]\nmin_x = 1')
    assert [line.partition(" ")[0] for line in problems(text)] == [f"vmaf.toml:{n}:" for n in (2, 4, 13, 14)]


def test_many_problems(problems: Problems) -> None:
    text = "version = 1\n" + "[[encodes]]\nfoo = 3\n" * 50
    assert len(lines := problems(text)) == 21
    assert lines[-1] == "30 more problems in vmaf.toml"


def test_encodings(read: Read, problems: Problems) -> None:
    assert read(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode()).tests[0].line == 6
    assert problems(HEAD.encode("utf-16")) == ["vmaf.toml:1: a manifest must be UTF-8, not UTF-16. Save it as UTF-8."]
    assert problems('version = 1\nname = "é"'.encode("latin-1")) == [
        "vmaf.toml:2: a manifest must be UTF-8, not the byte 0xe9. Save it as UTF-8."
    ]


def test_a_clip_that_is_wrong_is_named_once(problems: Problems) -> None:
    """The entries that name it are not wrong, too."""
    assert problems(f'{HEAD}clips = ["a"]'.replace("unchecked", "12")) == [
        "vmaf.toml:5: clips[a].sha256 must be 64 hexadecimal digits, not '12'."
    ]


def test_variables(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Footage is elsewhere on each machine."""
    monkeypatch.setenv("FOOTAGE", "/mnt/{footage}")
    pair = '[[pairs]]\nname = "p"\ndistorted = "${FOOTAGE}/{clip}.mp4"\n'
    suite = read(f"{HEAD}{pair}".replace("a.y4m", "${FOOTAGE}/a.y4m"))
    assert suite.clips[0].clip.path.as_posix() == "/mnt/{footage}/a.y4m"
    entry = suite.tests[1].entry
    assert isinstance(entry, SuitePair)
    assert entry.clip_of(suite.tests[1]).path.as_posix() == "/mnt/{footage}/a.mp4"


def test_missing_file(problems: Problems, tmp_path) -> None:
    with pytest.raises(pytest_vmaf.SettingsError, match=r"none.toml does not exist"):
        pytest_vmaf.read_suite(tmp_path / "none.toml")
    with pytest.raises(pytest_vmaf.SettingsError, match="is not a file"):
        pytest_vmaf.read_suite(tmp_path)


def test_size(problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_vmaf.suite.source.LARGEST", 10)
    assert problems(HEAD)[0].startswith("vmaf.toml is larger than")
    monkeypatch.undo()
    monkeypatch.setattr("pytest_vmaf.suite.manifest.MOST_TESTS", 0)
    assert problems(HEAD)[0].startswith("vmaf.toml:6: encodes[x] makes more than 0 tests")
