"""Sessions of ONNX Runtime. It interprets a graph of its own operators and runs no code from the file.

Custom operators need a library that the host registers, which nothing here does. A graph can still take long, or much
memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_vmaf.errors import MeasurementError
from pytest_vmaf.networks.network_file import NetworkFile
from pytest_vmaf.text import printable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]


def open_session(
    network: NetworkFile,
    threads: int,
    unusable: Callable[[str], MeasurementError],
    error: type[MeasurementError],
) -> InferenceSession:
    """Open a network, of which `refuse_external_data` has accepted the file.

    Args:
        network: The file.
        threads: The threads that it computes in.
        unusable: Makes the exception for a reason why it cannot be used.
        error: The exception if there is no ONNX Runtime.

    Raises:
        MeasurementError: If it is not a network, or there is no ONNX Runtime.
    """
    # ONNX Runtime's wheels collect usage data in files that outlive the run, unless this is set before the import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as reason:
        raise error(
            f"{network.name} needs ONNX Runtime, which cannot be imported ({printable(str(reason))}). "
            "Install it: python -m pip install onnxruntime."
        ) from reason
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.use_deterministic_compute = True
    # Its errors are raised and need not be printed as well.
    options.log_severity_level = 4
    # In its other format, ORT, references to other files would not have been detected.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Waiting threads would take time from the scorer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # The fallback, to the same provider, would print to standard output, in front of JSON.
        return onnxruntime.InferenceSession(
            network.content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as reason:
        # ONNX Runtime's exceptions have no common base.
        raise unusable(summary(reason)) from reason


def summary(error: Exception) -> str:
    """ONNX Runtime's message in one short line. Its first and its last words matter most."""
    text = printable(" ".join(re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).split())).rstrip(" .")
    return text if len(text) <= 400 else f"{text[:100]} … {text[-300:]}"
