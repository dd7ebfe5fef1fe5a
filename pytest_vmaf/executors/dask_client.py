"""`dask_executor`: the executor of a Dask cluster (extra `[dask]`)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import cast

from pytest_vmaf.errors import MeasurementError, SettingsError, give_warning
from pytest_vmaf.text import printable

#: A protocol, a host and a port.
ADDRESS = re.compile(r"[a-z]+://[^\s/]+:[0-9]{1,5}")
#: How long to wait for the scheduler, in seconds.
PATIENCE = 15


@contextlib.contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The executor of the cluster whose scheduler has this address, for example "tcp://10.0.0.1:8786".

    A cluster may start its workers later, so there is a warning if it has none.

    Raises:
        SettingsError: If dask.distributed is not installed, or the address is not valid.
        MeasurementError: If no scheduler answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError(f"--dask requires dask.distributed ({error}): pip install 'pytest-vmaf[dask]'") from None
    # Checked here, because a client that cannot read an address tries to close its connection for 30 s.
    if ADDRESS.fullmatch(address) is None:
        raise SettingsError(
            f"--dask must be the address of a scheduler, for example tcp://10.0.0.1:8786, not {printable(address)!r}."
        )
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MeasurementError(
            f"There is no Dask scheduler at {printable(address)}: {printable(str(error))}"
        ) from error
    with client:
        if not client.nthreads():
            give_warning(
                f"The Dask scheduler at {printable(address)} has no workers. Tasks wait until one joins: "
                f"dask worker {printable(address)}",
                UserWarning,
            )
        # Not pure: an encode that is timed again is another one.
        yield cast("Executor", client.get_executor(pure=False))
