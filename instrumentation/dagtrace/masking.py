"""
Our own masking of text that leaves the process, after Airflow's or Spark's: what looks like a secret becomes ***.

Where it is unclear how far a secret reaches, more is masked rather than less: half a secret is a leak. Text comes from
anywhere and may be long (an error with a whole file in it), so every pattern here is linear: what a match looks at is
either consumed by it or bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Callable


# A closing mark within a value (a,b;c) belongs to it, unless what follows shows that the value was over.
_AFTER = r"""[\s"'`,;:&)}\]]|\\{1,8}["'`]|\Z|[\w.-]{1,64}["']?\s?[=:]"""
_PLAIN = rf"""(?:[^\s"'`,;&)}}\]\\]|["'`,;&)}}\]](?!{_AFTER})|\\(?!["'`](?:{_AFTER})))"""

# Quotes may be escaped, as in JSON within JSON; a value whose quote never closes goes up to the end of its line.
_QUOTE = r"""\\{0,8}(?:\"{3}|'{3}|["'`])"""


def _quoted(name: str) -> str:
    return rf"""[bru]{{0,2}}(?P<{name}>{_QUOTE})(?:(?s:.)*?(?<!\\)(?P={name})|[^\r\n]*)"""


# After a key: what is left of its name, its closing quote, and what stands before the value.
_EQUALS = r"""(?:={1,3}>?|:=?)"""
_KEY_END = r"""\\{0,8}["'`]?\s*"""

KEY_VALUE = re.compile(
    rf"""
      (?P<header>authorization {_KEY_END} (?:{_EQUALS}|(?<=["']),(?=\s*[bru]{{0,2}}["'])) \s*)
      (?:
        {_quoted("q1")} {_PLAIN}*
        | (?P<scheme>(?:bearer|basic|token|api-?key|negotiate)[ \t]+) {_PLAIN}+
        | (?:digest|oauth|hawk|hmac[\w-]*|aws4[\w-]*)[ \t][^\r\n]+
        | (?:(?!\*\*\*){_PLAIN}+[ \t]+)? {_PLAIN}+  # a scheme nobody knows goes, too: it may be the secret itself
      )
    |
      (?P<key>
        (?:
          # Spark's own expression misses apiKey and header values
          (?:passw(?:or)?d|passphrase|secret|token|api[_.-]?key|access[_.-]?key|private[_.-]?key|credential|pwd
            |authorization)[\w.-]{{0,100}}
          | (?-i:(?<![A-Za-z])pass|(?<![A-Za-z])PASS|Pass)  # no bypass, no passed
        )
        {_KEY_END} {_EQUALS} \s*
      )
      (?: {_quoted("q2")} {_PLAIN}* | (?:(?:bearer|basic)[ \t]+)? {_PLAIN}+ )
    """,
    re.IGNORECASE | re.VERBOSE,
)

URLS = re.compile(r"://(\S+)")
URL_ENDS = re.compile(r"""["'`<>]""")


def mask(text: str) -> str:
    """Return ``text`` with values of secret-looking keys and passwords in URLs replaced."""
    return KEY_VALUE.sub(_hide_value, URLS.sub(_hide_passwords, text))


def _hide_value(match: re.Match[str]) -> str:
    return f"{match['header'] or match['key']}{match['scheme'] or ''}***"


def _hide_passwords(match: re.Match[str]) -> str:
    """Mask each URL in one run of text without blanks: a list of brokers, a redirect within a query."""
    return "".join(f"://{_hide_password(part)}" for part in match[1].split("://"))


def _hide_password(part: str) -> str:
    """Mask ``user:password@``, up to the last @: passwords hold / and @ although they should not. The user may stay."""
    end = URL_ENDS.search(part)
    at = part.rfind("@", 0, end.start() if end else len(part))
    if at < 0:
        at = part.rfind("@")  # a quote within the password, unless the user's part has it, too
    user, colon, password = part[: max(at, 0)].partition(":")
    if not colon or not password or any(mark in user for mark in "/?#\"'`<>"):
        return part
    return f"{user}:***{part[at:]}"


_platforms: list[Callable[[str], str]] = []


def also(masker: Callable[[str], str]) -> None:
    """Let a platform's own masker go first, in ``redact``: Airflow's knows the passwords of its connections."""
    if masker not in _platforms:
        _platforms.append(masker)


def redact(text: str) -> str:
    """Return ``text`` masked by the platform's masker, where there is one, and by ours."""
    for masker in _platforms:
        text = masker(text)
    return mask(text)
