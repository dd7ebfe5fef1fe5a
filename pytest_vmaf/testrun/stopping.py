"""The end of a run by SIGTERM or SIGHUP, as by Ctrl-C: the report is written, and no child and no folder stays."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator
from typing import Any

import pytest

from pytest_vmaf.media.scratch import sweep
from pytest_vmaf.media.termination import Terminated, Termination


class Stopping:
    """Plugin that `start_stopping` registers in runs with VMAF tests, in the controller and in each worker.

    Attributes:
        termination: The handler of the signals, installed until the end of pytest unless the user has one.
    """

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._is_worker = hasattr(session.config, "workerinput")
        self.termination = Termination(self._announce)
        self.termination.install()

    def _announce(self, number: signal.Signals) -> None:
        # Where something swallows the exception, the run ends after this test.
        self._session.shouldstop = number.name
        if (distribution := self._session.config.pluginmanager.get_plugin("dsession")) is not None:
            distribution.shouldstop = number.name
        # Docker and Kubernetes send SIGTERM to the first process alone, and give it seconds.
        for pid in _worker_pids(self._session.config):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """End a worker by the signal once it has cleaned up: xdist then replaces it, as it replaces any that dies."""
        if self._is_worker and excinfo.errisinstance(Terminated):
            self.termination.remove()
            os.kill(os.getpid(), signal.SIGTERM)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Sweep again after xdist has ended its workers: one that was killed leaves its folders."""
        result = yield
        if self._session.config.pluginmanager.hasplugin("dsession"):
            sweep(again=True)
        return result

    def pytest_unconfigure(self) -> None:
        """Give the signals their effects back."""
        self.termination.remove()


def start_stopping(session: pytest.Session) -> None:
    """Let SIGTERM and SIGHUP end this run as Ctrl-C does, and remove what killed runs have left behind."""
    if not session.config.pluginmanager.hasplugin("vmaf-stopping"):
        session.config.pluginmanager.register(Stopping(session), "vmaf-stopping")
        sweep()


def _worker_pids(config: pytest.Config) -> list[int]:
    """The workers that xdist runs on this machine."""
    distribution: Any = config.pluginmanager.get_plugin("dsession")
    pids = []
    for gateway in getattr(getattr(getattr(distribution, "nodemanager", None), "group", None), "_gateways", ()):
        process = getattr(getattr(gateway, "_io", None), "popen", None)
        if gateway.spec.popen and process is not None and process.poll() is None:
            pids.append(process.pid)
    return pids
