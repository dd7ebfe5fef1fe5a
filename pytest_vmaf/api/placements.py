"""Read `executor=` into a `Placement`: which scorers and encoders workers can find by their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from pytest_vmaf.api.extensions import ENCODER_GROUP, SCORER_GROUP, standalone
from pytest_vmaf.errors import SettingsError
from pytest_vmaf.executors.parcel import Named
from pytest_vmaf.executors.placement import Placement, read_executor
from pytest_vmaf.settings import Layer, resolve

if TYPE_CHECKING:
    from pytest_vmaf.encoding.encoders import Encoder
    from pytest_vmaf.scoring.scorer import Scorer

#: What has `executor=`.
WITH_EXECUTOR = "vmaf.sweep, vmaf.compare, vmaf.ladder, vmaf.per_shot and vmaf.bisect"


def read_placement(
    settings: Mapping[str, object], layers: Sequence[Layer], scorer: Scorer, title: str, *, allowed: bool
) -> Placement | None:
    """Read the option `executor`.

    Args:
        settings: The keywords of the call.
        layers: Its settings, the nearest layer first.
        scorer: What scores.
        title: What is called, for messages.
        allowed: Whether it runs on executors.

    Returns:
        Where the tasks run, None for here.

    Raises:
        SettingsError: If the option is not an executor, or not one of this call.
    """
    executor = settings.get("executor")
    if executor is None:
        return None
    if not allowed:
        raise SettingsError(f"executor is an option of {WITH_EXECUTOR}. {title} runs in this process.")
    values = resolve(layers).values
    name = values["scorer"]
    named = []
    # A conftest.py can have another scorer of the same name, which no worker finds.
    if (
        isinstance(name, str)
        and entry_points(group=SCORER_GROUP, name=name)
        and type(find_scorer(name)) is type(scorer)
    ):
        named.append(Named("scorer", name, scorer, find_scorer))
    return Placement(read_executor(executor), values["threads"] or 0, tuple(named))


def with_encoders(placement: Placement | None, encoders: Iterable[Encoder]) -> Placement | None:
    """The placement with the encoders that workers can find by their names."""
    if placement is None:
        return None
    named = []
    for encoder in encoders:
        own = encoder.codec if encoder.codec is not None else encoder.function
        if own is not None and entry_points(group=ENCODER_GROUP, name=encoder.name):
            by_name = find_encoder(encoder.name)
            other = by_name.codec if by_name.codec is not None else by_name.function
            same = own is other if encoder.codec is None else type(own) is type(other)
            if same and by_name.scale.steps == encoder.scale.steps:
                named.append(Named("encoder", encoder.name, encoder, find_encoder))
    return replace(placement, named=(*placement.named, *named))


def find_scorer(name: str) -> Scorer:
    """The scorer of an entry point, in a worker."""
    return standalone().scorer(name)


def find_encoder(name: str) -> Encoder:
    """The encoder of an entry point, in a worker."""
    return standalone().encoder(name)
