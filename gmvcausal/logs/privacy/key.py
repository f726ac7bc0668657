"""The key of the pseudonyms: long enough, not to be guessed, and never shown."""

from __future__ import annotations

import hmac
import math
import os
import re
from itertools import pairwise
from typing import Any

from gmvcausal.errors import InputError

LEAST_BYTES = 32
_LEAST_BITS = 96.0  # 32 hexadecimal digits drawn by lot have about 115 by this count
# What stands in keys that people think of; by lot, five letters in this order hardly come.
_COMMON = (
    "password", "passwort", "passphrase", "secret", "qwert", "asdfg", "zxcvb", "admin", "letmein", "welcome",
    "iloveyou", "woaini", "dragon", "monkey", "login", "changeme", "default", "taobao", "douyin", "alibaba",
    "wechat", "weixin", "pseudonym", "anonym", "gmvcausal", "thesis", "marketing", "customer", "coupon",
)  # fmt: skip
_HEX = re.compile(r"(?:[0-9a-f]+(?:-[0-9a-f]+)*|[0-9A-F]+(?:-[0-9A-F]+)*)")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+|[A-Za-z0-9_-]+")
_TOO_WORDY = 10.0  # standard errors; 1 of 100,000 keys by lot has more
_MOST_AGAIN = 0.4  # share of the characters that are those a few places before; sixteen kinds by lot have 0.06
_IN_A_ROW = 6  # characters that repeat or count: sixteen kinds by lot do so in 1 of 10,000 keys
_MAKE = 'make one with `python -c "import secrets; print(secrets.token_hex(32))"` and keep it apart from the data'


def key_of(key: Any, environment: Any) -> bytes:
    """The key in bytes, given or read from an environment variable.

    Parameters
    ----------
    key : bytes or str, optional
        Text counts by its UTF-8 bytes.
    environment : str, optional
        Name of the variable that holds the key.

    Raises
    ------
    InputError
        None or both are given; a variable that is not set; a key that is short, follows a pattern or is made of words.
        No message shows any part of a key.
    """
    if (key is None) == (environment is None):
        both = "both key= and environment= are given" if key is not None else "a key is needed, and none is given"
        raise InputError(both, remedy=f"pass key=, or environment= with the name of a variable that holds it; {_MAKE}")
    what = "key"
    if environment is not None:
        if not isinstance(environment, str) or not environment:
            raise InputError(
                "environment must be the name of an environment variable", remedy="write environment='SHOP_KEY'"
            )
        key, what = os.environ.get(environment), "the key in the variable named by environment="
        if key is None:
            # A key passed by mistake as the name of the variable must not stand in the message.
            raise InputError(
                "the variable named by environment= is not set in this process", remedy=f"set it before; {_MAKE}"
            )
    if isinstance(key, str):
        key = key.encode("utf-8", "surrogatepass")
    if not isinstance(key, bytes | bytearray):
        raise InputError(f"key must be bytes or text, but is of type {type(key).__name__}", remedy=_MAKE)
    found = bytes(key)
    if found.strip(b" \t\r\n\0\"'") != found:
        # A line end or quotes that a shell or a file adds would give other pseudonyms than the key itself.
        raise InputError(f"{what} begins or ends with blanks, a line end or quotes", remedy="strip them from the key")
    if len(found) < LEAST_BYTES:
        raise InputError(f"{what} has {len(found)} bytes, and at least {LEAST_BYTES} are needed", remedy=_MAKE)
    if _guessable(found):
        raise InputError(f"{what} follows a pattern, so that it could be guessed", remedy=_MAKE)
    if _thought_of(found):
        raise InputError(
            f"{what} is made of words, or holds a common word or {_IN_A_ROW} characters that repeat or count, so that "
            "it could be guessed; a key is 32 hexadecimal digits drawn by lot, or more, or base64 of random bytes",
            remedy=_MAKE,
        )
    return found


def for_purpose(key: bytes, purpose: Any) -> bytes:
    """The key of one purpose, of which neither the key itself nor that of another purpose can be told.

    What is hashed begins with another word than the messages of ids, so that no id has a purpose's key for a pseudonym.
    """
    if purpose is None:
        return key
    if not isinstance(purpose, str) or not purpose:
        raise InputError("purpose must be a text such as 'thesis'", remedy="leave purpose= out, or name the purpose")
    return digest(key, b"purpose", purpose)


def digest(key: bytes, tag: bytes, text: str) -> bytes:
    """HMAC-SHA256 of a text after a tag and a zero byte, so that messages of two tags are never the same."""
    return hmac.digest(key, tag + b"\0" + text.encode("utf-8", "surrogatepass"), "sha256")


def _guessable(key: bytes) -> bool:
    """Whether a key repeats itself, counts up or down, or draws on too few characters."""
    if (key + key).find(key, 1) < len(key):
        return True
    steps = [b - a for a, b in pairwise(key)]
    if max(map(steps.count, set(steps))) > len(steps) // 2:
        return True
    shares = [key.count(c) / len(key) for c in set(key)]
    return -len(key) * sum(p * math.log2(p) for p in shares) < _LEAST_BITS


def _thought_of(key: bytes) -> bool:
    """Whether a key is a phrase of words, or holds what people type when they are asked for one."""
    steps = [b - a for a, b in pairwise(key)]
    for at in range(len(steps) - _IN_A_ROW + 2):
        row = steps[at : at + _IN_A_ROW - 1]
        if row[0] in (-1, 0, 1) and row.count(row[0]) == len(row):
            return True
    try:
        text = key.decode("utf-8")
    except UnicodeDecodeError:  # bytes by lot are no text
        return False
    if not text.isprintable():
        return False
    return not _like_drawn(text) or any(word in text.casefold() for word in _COMMON)


def _like_drawn(text: str) -> bool:
    """Whether a text looks like random bytes in hexadecimal digits (blocks of them) or in base64.

    Words in base64's letters have more vowels than a lot has, more letters that go on in lower case and digits after
    digits, and fewer capitals after capitals and changes between letters and digits: all three are counted in standard
    errors from what a lot leads to, and added.

    Examples
    --------
    >>> _like_drawn("9b1f0c7e55a24d0f8e3c6a7714d2b8e0"), _like_drawn("TheQuickBrownFoxJumpsOverTheLazyDog1")
    (True, False)
    >>> _like_drawn("a1a2a3a4a5a6a7a8a9b1b2b3b4b5b6b7"), _like_drawn("zhangweizhangweizhangweizhangwei8")
    (False, False)
    """
    if any(sum(a == b for a, b in zip(text, text[k:], strict=False)) > _MOST_AGAIN * len(text) for k in range(1, 9)):
        return False
    if _HEX.fullmatch(text):
        return True
    body = text.rstrip("=")
    if not _BASE64.fullmatch(body) or min(sum(map(str.isupper, body)), sum(map(str.islower, body))) < 2:
        return False
    letters = [c for c in body.casefold() if c.isalpha()]
    vowels = sum(c in "aeioun" for c in letters)
    joined = sum((a.isalpha() and b.islower()) or (a + b).isdigit() for a, b in pairwise(body))
    broken = sum(((a + b).isupper() and (a + b).isalpha()) or a.isdigit() != b.isdigit() for a, b in pairwise(body))
    pairs = len(body) - 1
    wordy = _beyond(vowels, len(letters), 6 / 26) + _beyond(joined, pairs, (52 * 26 + 10 * 10) / 64**2)
    return wordy - _beyond(broken, pairs, (26 * 26 + 2 * 10 * 54) / 64**2) < _TOO_WORDY


def _beyond(found: int, of: int, share: float) -> float:
    return (found - of * share) / math.sqrt(of * share * (1 - share))
