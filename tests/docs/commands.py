"""`pytest` and `pytest-vmaf` for the pages, in forks of one Python that has imported them: most of a run is the import.

This file is both programs: `commands.py serve SOCKET` forks; `commands.py pytest …` asks for a fork and waits for it.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import socket
import sys
from contextlib import suppress

#: The environment variable with the path of the server's socket.
SOCKET = "PAGE_COMMANDS"
NAMES = ("pytest", "pytest-vmaf")


def ask(words: list[str]) -> int:
    """Have a command run in the current folder with this process's environment and files, and return its exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[SOCKET])
        request = json.dumps([words, os.getcwd(), dict(os.environ)]).encode()
        socket.send_fds(connection, [len(request).to_bytes(4)], [0, 1, 2])
        connection.sendall(request)
        answer = connection.recv(1)
    return answer[0] if answer else 99


def serve(path: str) -> int:
    """Import everything, then fork for each request. Ends only by a signal; returns in the forks, with an exit code."""
    import pytest  # noqa: F401

    import pytest_vmaf

    for module in pkgutil.walk_packages(pytest_vmaf.__path__, "pytest_vmaf."):
        # Not onnxruntime, which few pages need, and not the optional PyAV.
        if module.name != "pytest_vmaf.__main__" and "libvmaf_program" not in module.name:
            __import__(module.name)
    # A fork neither searches nor copies what is imported: pytest collects garbage several times, and Python at its end.
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        while True:
            connection, _ = server.accept()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if not os.fork():
                break
            connection.close()
    head, files, *_ = socket.recv_fds(connection, 4, 3)
    request = b""
    while len(request) < int.from_bytes(head):
        request += connection.recv(1 << 16)
    if command := os.fork():
        _, status = os.waitpid(command, 0)
        code = os.waitstatus_to_exitcode(status)
        with suppress(OSError):
            connection.sendall(bytes([code if code >= 0 else 128 - code]))
        os._exit(0)
    connection.close()
    return run(*json.loads(request), files)


def run(words: list[str], folder: str, environment: dict[str, str], files: list[int]) -> int:
    """Run a command in this process."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    # As Python opens them when it starts.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    # Instead of the folder of this file.
    sys.path[0] = os.path.dirname(sys.executable)
    if words[0] == "pytest":
        import pytest

        return pytest.main(words[1:])
    from pytest_vmaf.cli import main

    return main(words[1:])


if __name__ == "__main__":
    sys.exit(serve(sys.argv[2]) if sys.argv[1] == "serve" else ask(sys.argv[1:]))
