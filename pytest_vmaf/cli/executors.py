"""`--processes` and `--dask`: where the tasks of a command run."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor

from pytest_vmaf.errors import SettingsError


def add_executors(parser: argparse.ArgumentParser) -> None:
    """Add `--processes` and `--dask`."""
    add = parser.add_argument_group("many processes or machines").add_argument
    add("--processes", type=int, metavar="N", help="run in N processes on this machine")
    add("--max-workers", dest="processes", type=int, help=argparse.SUPPRESS)
    text = "run on the Dask cluster with this scheduler, for example tcp://10.0.0.1:8786"
    add("--dask", metavar="ADDRESS", help=text)


@contextlib.contextmanager
def chosen_executor(options: argparse.Namespace) -> Iterator[Executor | None]:
    """The executor that the flags name, None for this process. It ends with the `with` statement, on Ctrl-C too.

    Raises:
        SettingsError: For invalid flags, and if dask.distributed is not installed.
        MeasurementError: If there is no Dask scheduler.
    """
    # Not every search command has them.
    processes, dask = getattr(options, "processes", None), getattr(options, "dask", None)
    if processes is not None and dask is not None:
        raise SettingsError("--processes and --dask exclude each other.")
    if processes is not None:
        from pytest_vmaf.executors.processes import Processes
        from pytest_vmaf.option_table import at_once

        try:
            count = at_once(processes)
        except ValueError as error:
            raise SettingsError(f"--processes must be {error}, not {processes}.") from None
        with Processes(count) as pool:
            yield pool
    elif dask is not None:
        from pytest_vmaf.executors.dask_client import dask_executor

        with dask_executor(dask) as cluster:
            yield cluster
    else:
        yield None
