"""Our own masking of text that leaves the process, after Airflow's or Spark's: what looks like a secret becomes ***."""

from __future__ import annotations

import re


_PATTERNS = (
    # user:password@ in a URL; the user may stay
    (re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)", re.IGNORECASE), r"\g<keep>***"),
    # key=value, key: value, "key": "value" where the key says secret; Spark's own regex misses apiKey and header values
    (
        re.compile(
            r"""(?P<keep>[\w.-]*(?:passw(?:or)?d|secret|token|api[_.-]?key|access[_.-]?key|private[_.-]?key|credential"""
            r"""|authorization|passphrase)[\w.-]*["']?\s*[=:]\s*(?:(?:bearer|basic)\s+)?)["']?[^\s"',;&)]+["']?""",
            re.IGNORECASE,
        ),
        r"\g<keep>***",
    ),
)


def mask(text: str) -> str:
    """Return ``text`` with values of secret-looking keys and passwords in URLs replaced."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
