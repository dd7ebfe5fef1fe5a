"""Names of a limited length that stay different."""

from __future__ import annotations

from hashlib import blake2b


def fit(name: str, most: int) -> str:
    """A name of at most so many bytes of UTF-8. A longer one is cut in the middle, and gets a digest of what it was."""
    data = name.encode("utf-8", "backslashreplace")
    if len(data) <= most:
        return data.decode()
    digest = blake2b(data, digest_size=4).hexdigest()
    half = (most - len(digest) - 2) // 2
    start, end = data[:half].decode("utf-8", "ignore"), data[-half:].decode("utf-8", "ignore")
    return f"{start}~{digest}~{end}"
