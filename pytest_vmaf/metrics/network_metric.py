"""NetworkMetric: a learned metric as an ONNX file, whose contract is in `CONTRACT`.

The file is untrusted; `pytest_vmaf.networks` reads and opens it.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_vmaf.errors import MetricError, SettingsError
from pytest_vmaf.metrics.spec import DIRECTIONS, MOST_FRAMES, NAME
from pytest_vmaf.networks.network_file import metadata_of, read_network, refuse_external_data
from pytest_vmaf.networks.session import open_session, summary
from pytest_vmaf.text import plural, printable, short_repr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

CONTRACT = (
    "  A metric network has two float32 inputs [1,3,H,W] (RGB; [1,T,3,H,W] with frames=T in its metadata), one named "
    "reference or ref, the other distorted, dist or dis, and one output of one number (or T)."
)
SUFFIX = ".onnx"
#: The names of the inputs.
REFERENCE, DISTORTED = ("reference", "ref"), ("distorted", "dist", "dis")
#: What the metadata `normalise` may be: the mean and the standard deviation of each channel.
NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]] | None] = {
    "0..1": None,
    "-1..1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def is_network(value: object) -> bool:
    """Whether this is the path of an ONNX file, perhaps with its direction: "net.onnx", "net.onnx:lower"."""
    if isinstance(value, os.PathLike):
        return True
    return isinstance(value, str) and re.search(r"\.onnx(:\w*)?$", value, re.IGNORECASE) is not None


def network_metric(value: str | os.PathLike[str]) -> NetworkMetric:
    """The metric of a path, which may end with a direction: "net.onnx:lower". Raises SettingsError."""
    text = os.fspath(value)
    path, colon, direction = text.rpartition(":")
    if not isinstance(value, str) or not colon or not path.lower().endswith(SUFFIX):
        return NetworkMetric(text)
    if direction not in DIRECTIONS:
        raise SettingsError(f'{printable(text)} must end with ":higher" or ":lower" (which value is better), or .onnx.')
    return NetworkMetric(path, direction=direction)  # type: ignore[arg-type]


class NetworkMetric:
    """A learned metric as an ONNX file.

    The network has two float32 inputs, found by name: `reference` (or `ref`) and `distorted` (or `dist`, `dis`), each
    [1,3,H,W] in RGB. It has one output of one number. Its metadata (strings) may have `metric` (the name), `direction`
    ("higher" or "lower"), `label`, `unit`, `range` ("0,1"), `normalise` ("0..1", "-1..1" or "imagenet"),
    `working_width` and `working_height`, `frames` (T above 1: inputs [1,T,3,H,W]) and `stride`. Arguments must not
    contradict the metadata.
    """

    _planar = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        direction: Literal["higher", "lower"] | None = None,
        label: str | None = None,
        unit: str | None = None,
    ) -> None:
        """Read the file and its metadata. ONNX Runtime opens it when it first measures.

        Args:
            path: The file.
            name: The metric's name; by default that of the metadata, else the file's name without its suffix.
            direction: Which value is better, if the metadata has no `direction`.
            label: The name in sentences and tables.
            unit: The unit of its values.

        Raises:
            SettingsError: If the file cannot be read, or its metadata is invalid or lacks the direction.
        """
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise SettingsError(f"The path of a metric network must be the name of a file, not {short_repr(path)}.")
        try:
            self._file = read_network(Path(os.fspath(path)), "metric network", MetricError)
            refuse_external_data(self._file, self._unusable, MetricError)
            data = metadata_of(self._file)
        except MetricError as error:
            # Nothing is measured yet.
            raise SettingsError(str(error)) from error
        except ValueError as error:
            raise SettingsError(str(self._unusable(str(error)))) from error
        self._given = {"metric": name, "direction": direction, "label": label, "unit": unit}
        self._data = data
        self.name = self._text("metric") or self._stem(path)
        if NAME.fullmatch(self.name) is None:
            raise self._invalid("metric", 'lowercase letters, digits and underscores, for example "lpips"', self.name)
        self.direction = self._text("direction")
        if not self.direction:
            raise SettingsError(
                f"{self._file.name} does not say which value is better. Write {os.fspath(path)}:higher or :lower, use "
                'NetworkMetric(path, direction="higher"), or add "direction" to its metadata.'
            )
        if self.direction not in DIRECTIONS:
            raise self._invalid("direction", '"higher" or "lower"', self.direction)
        self.label, self.unit = self._text("label"), self._text("unit")
        self.range = self._range()
        self.frames = self._count("frames", MOST_FRAMES) or 1
        self.stride = self._count("stride", MOST_FRAMES)
        normalise = data.get("normalise", "0..1")
        if normalise not in NORMALISATIONS:
            raise self._invalid("normalise", " or ".join(f'"{each}"' for each in NORMALISATIONS), normalise)
        self._normalisation = NORMALISATIONS[normalise]
        sides = self._count("working_width", 9999), self._count("working_height", 9999)
        if (sides[0] is None) != (sides[1] is None):
            raise self._invalid("working_width", "given together with working_height", sides[0])
        self._size: tuple[int, int] | None = (sides[0], sides[1]) if sides[0] and sides[1] else None
        self._session: InferenceSession | None = None
        self._names: list[str] = []
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """The SHA-256 of the file."""
        return self._file.digest

    def __repr__(self) -> str:
        return f"<NetworkMetric {self.name}, {self._file.name}>"

    def open(self, threads: int) -> tuple[int, int] | None:
        """Open the network, unless it is open.

        Returns:
            The width and height of its pictures, None for any.

        Raises:
            MetricError: If it breaks the contract.
        """
        with self._lock:
            if self._session is None:
                session = open_session(self._file, threads, self._unusable, MetricError)
                self._names = self._bind(session)
                self._session = session
        return self._size

    def measure(self, reference: NDArray[np.float32], distorted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on pictures [3,H,W], or on windows of them [T,3,H,W]."""
        import numpy as np

        self.open(1)
        assert self._session is not None  # noqa: S101  (for the type checker)
        given = {
            name: self._normalised(each)[None] for name, each in zip(self._names, (reference, distorted), strict=True)
        }
        shape = [1, *reference.shape]
        try:
            outputs = self._session.run(None, given)
        except Exception as error:
            raise self._unusable(f"it fails for inputs {shape}: {summary(error)}") from error
        answer = np.asarray(outputs[0])
        if answer.size not in (1, self.frames):
            expected = "one number" if self.frames == 1 else f"one number or {self.frames}"
            raise self._unusable(f"for inputs {shape} its output must have {expected}, not the shape {[*answer.shape]}")
        return answer.reshape(-1)

    def _normalised(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        if self._normalisation is None:
            return pictures
        mean, deviation = (np.array(each, np.float32)[:, None, None] for each in self._normalisation)
        return ((pictures - mean) / deviation).astype(np.float32)

    def _bind(self, session: InferenceSession) -> list[str]:
        """The names of the inputs for the reference and for the distorted clip. Checks the contract."""
        inputs, outputs = session.get_inputs(), session.get_outputs()
        names = [printable(each.name) for each in inputs]
        if len(outputs) != 1:
            raise self._unusable(f"it must have one output, not {plural(len(outputs), 'output')}")
        for kind, tensor in (*(("inputs", each) for each in inputs), ("output", outputs[0])):
            if tensor.type != "tensor(float)":
                raise self._unusable(f"its {kind} must be tensor(float), not {printable(tensor.type)}")
        bound = [[each for each in inputs if each.name.lower() in known] for known in (REFERENCE, DISTORTED)]
        if len(inputs) != 2 or any(len(each) != 1 for each in bound):
            raise self._unusable(
                "its two inputs must be named reference (or ref) and distorted (or dist, dis), not "
                f"{', '.join(names)[:200] or 'nothing'}: they are matched by name, not by order"
            )
        sizes = {self._fixed_size(each[0].shape) for each in bound}
        if len(sizes) > 1:
            raise self._unusable("its inputs must have one size")
        [size] = sizes
        if size is not None and self._size not in (None, size):
            raise self._unusable(f"its inputs have {size[0]}x{size[1]} pixels, but its metadata names another size")
        if size is not None:
            self._size = size
        return [each[0].name for each in bound]

    def _fixed_size(self, sides: list[object]) -> tuple[int, int] | None:
        """The width and height of an input, None if they are free."""
        # A free side has a name or nothing instead of a number.
        shape = [side if isinstance(side, int) else None for side in sides]
        form = [1, 3] if self.frames == 1 else [1, self.frames, 3]
        fits = len(shape) == len(form) + 2 and all(
            side in (None, expected) for side, expected in zip(shape, form, strict=False)
        )
        height, width = shape[-2:] if fits else (None, 0)
        if (height is None) != (width is None):
            expected = ",".join([*map(str, form), "H", "W"])
            shown = ",".join("free" if side is None else str(side) for side in shape)
            hint = "" if self.frames > 1 else "; a network of T frames has frames=T in its metadata"
            raise self._unusable(f"its inputs must be [{expected}], both sides free or both fixed, not [{shown}]{hint}")
        return (width, height) if width and height else None

    def _text(self, key: str) -> str:
        """What was given, or what the metadata has; "" if neither."""
        given, stated = self._given.get(key), self._data.get(key, "").strip()
        if given is None:
            return stated
        if not isinstance(given, str):
            raise self._invalid(key, "a text", given)
        if stated and given != stated and key == "direction":
            raise SettingsError(
                f"{self._file.name} states {key} {stated!r} in its metadata, which contradicts {given!r}."
            )
        return given

    def _stem(self, path: str | os.PathLike[str]) -> str:
        stem = re.sub("[^a-z0-9]+", "_", Path(os.fspath(path)).stem.lower()).strip("_")
        if NAME.fullmatch(stem) is None:
            raise SettingsError(
                f'{self._file.name} has no name for its metric. Use NetworkMetric(path, name="…"), or add "metric" '
                "to its metadata."
            )
        return stem

    def _count(self, key: str, most: int) -> int | None:
        text = self._data.get(key)
        if text is None:
            return None
        if re.fullmatch("[0-9]{1,4}", text) is None or not 1 <= int(text) <= most:
            raise self._invalid(key, f"a whole number from 1 to {most}", text)
        return int(text)

    def _range(self) -> tuple[float, float] | None:
        text = self._data.get("range")
        if text is None:
            return None
        try:
            low, high = (float(each) for each in text.split(","))
        except ValueError:
            raise self._invalid("range", 'two numbers, for example "0,1"', text) from None
        return low, high

    def _invalid(self, key: str, expected: str, value: object) -> SettingsError:
        return SettingsError(
            f"{key} of the metric network {self._file.name} must be {expected}, not {short_repr(value)}."
        )

    def _unusable(self, reason: str) -> MetricError:
        return MetricError(f"{self._file.name} cannot be used as a metric network: {reason}.\n{CONTRACT}")
