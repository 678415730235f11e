"""Masks secrets in text that is printed, logged, recorded or raised; imports nothing of ours.

Two ways go together. Patterns find what looks like a secret: users and passwords in addresses,
query values with telling names, headers. And every secret of an address that this process uses,
or of its environment, is known by its text, so libraries may quote, cut or encode it.
"""

import base64
import json
import os
import re
import urllib.parse
from collections.abc import Iterator
from typing import Final

MASK: Final = "***"
SHORTEST = 3
"""Fewest characters of a secret that is masked outside its address."""
SHORTEST_INSIDE = 6
"""The same inside a longer word, where a short secret would spoil other words."""
SHORTEST_LETTERS = 12
"""The same for letters alone, which may be a word such as the name of a program."""
SHORTEST_VALUE = 6
"""The same for the value of an environment variable."""

_TELLING = (
    r"pass(?:word|wd|phrase)?|pwd|token|secret|credentials?|signature|(?:api|access|private)_?key"
)
_IN_QUERY = rf"(?:{_TELLING}|key|sig|auth)"
_USER = re.compile(r"(?<![\w+.-])(?!sqlite|file:)(\w[\w+.-]*://)\S*@")
_USER_QUOTED = re.compile(r"(?<![\w+.-])(\w[\w+.-]*%3A%2F%2F)\S*?%40", re.IGNORECASE)
# What is masked already stays, with the punctuation after it.
_MASKED = r"\*{3}[:,.)]*(?:[&;#\s'\"]|$)"
_QUERY = re.compile(rf"([?&;][\w.-]*{_IN_QUERY}[\w.-]*=)(?!{_MASKED})[^&;#\s'\"]+", re.IGNORECASE)
_PAIR = re.compile(
    rf"((?<![\w.-])[\w.-]*(?:{_TELLING})(?![a-z])[\w.-]*=)(?!\*{{3}})[^&;\s'\"]+", re.IGNORECASE
)
_HEADER = re.compile(
    r"(\b(?:[Bb]earer|Basic|[Aa]uthorization:(?:\s*\w+)?)\s+)(?=\S*(?:[\d=+/]|[a-z][A-Z]))[\w+/=.~-]{6,}"
)
_VARIABLE = re.compile(
    r"PASSW|PASSPHRASE|TOKEN|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY", re.IGNORECASE
)
_PLACE = re.compile(r"(?:_PATH|_FILE|_DIR|_DIRECTORY|_URL|_URI|_NAME|_MODE)$", re.IGNORECASE)

_known: dict[str, None] = {}


def masked(text: str) -> str:
    """Returns the text with every secret in it replaced by `***`.

    Args:
        text: Any text, such as an error of a library.
    """
    for secret in sorted({*_known, *_of_environment()}, key=len, reverse=True):
        text = _without(text, secret)
    text = _USER.sub(rf"\1{MASK}@", text)
    text = _USER_QUOTED.sub(rf"\1{MASK}%40", text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    text = _PAIR.sub(rf"\1{MASK}", text)
    return _HEADER.sub(rf"\1{MASK}", text)


def shown_address(address: str, *, user: str = f"{MASK}@") -> str:
    """Returns an address for display: without its user and secret values, and else as it is.

    Args:
        address: An address alone; of files, nothing is a secret.
        user: What stands for the user and the password.
    """
    scheme, mark, rest = address.partition("://")
    if not mark or scheme.startswith(("sqlite", "file")):
        return address
    _, has_user, place = rest.rpartition("@")
    return _QUERY.sub(rf"\1{MASK}", f"{scheme}://{user if has_user else ''}{place}")


def remember(address: str) -> None:
    """Makes the secrets of an address known, so that they are masked wherever they are.

    Args:
        address: An address that this process uses; nothing happens if it has no secrets.
    """
    _known.update(dict.fromkeys(_of_address(address)))


def mask_error(error: BaseException) -> None:
    """Masks the texts of an error and of the errors that caused it.

    Args:
        error: A library's error, which a traceback may show.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        cause.args = tuple(masked(arg) if isinstance(arg, str) else arg for arg in cause.args)
        if isinstance(getattr(cause, "message", None), str):
            cause.message = masked(cause.message)  # type: ignore[attr-defined]
        cause = cause.__cause__ or cause.__context__


def _without(text: str, secret: str) -> str:
    fewest = SHORTEST_LETTERS if secret.isalpha() else SHORTEST_INSIDE
    if len(secret) >= fewest:
        return text.replace(secret, MASK)
    # A word may also begin after an encoded character.
    word = rf"(?:(?<!\w)|(?<=%[0-9A-Fa-f]{{2}})){re.escape(secret)}(?!\w)"
    return re.sub(word, lambda _: MASK, text)


def _of_address(address: str) -> Iterator[str]:
    """The secrets of an address, in every form in which a library may show them."""
    _, has_scheme, rest = address.partition("://")
    if not has_scheme:
        return
    user, has_user, _ = rest.rpartition("@")
    if has_user:
        name, _, password = user.partition(":")
        # A token stands where a user does: with an empty password or none, or with a colon in it.
        whole = password or name
        yield from _forms(whole)
        yield from _forms(user)
        yield from _headers(name, password)
        # A slash or a second @ cuts the address in two, and each part may be in a message.
        if len(parts := re.split(r"[/@:?#\[\]\s]", whole)) > 1:
            for part in parts:
                yield from _forms(part)
    query = rest.partition("?")[2].partition("#")[0]
    for pair in re.split("[&;]", query):
        name, _, value = pair.partition("=")
        if re.search(_IN_QUERY, name, re.IGNORECASE):
            yield from _forms(value)


def _forms(secret: str) -> Iterator[str]:
    plain = urllib.parse.unquote(secret)
    escaped = (repr(plain)[1:-1], json.dumps(plain)[1:-1])
    forms = (secret, plain, urllib.parse.unquote_plus(secret), *escaped)
    quoted = [urllib.parse.quote(plain, safe=safe) for safe in ("", "/", "/:@")]
    for form in dict.fromkeys((*forms, *quoted, urllib.parse.quote_plus(plain))):
        if len(form) >= SHORTEST:
            yield form


def _headers(name: str, password: str) -> Iterator[str]:
    """What a client sends for a user and a password."""
    for pair in ((name, password), (urllib.parse.unquote(name), urllib.parse.unquote(password))):
        yield base64.b64encode(":".join(pair).encode(errors="surrogateescape")).decode()


def _of_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if re.fullmatch(r"\w[\w+.-]*://\S+", value):
            rest = value.partition("://")[2]
            # Of an address that others use, a user without a password is a name.
            if ":" in re.split("[/?#]", rest)[0].rpartition("@")[0]:
                yield from _of_address(value)
        elif (
            _VARIABLE.search(name)
            and not _PLACE.search(name)
            and len(value) >= SHORTEST_VALUE
            and not value.isdigit()
            and value[0] != "/"
        ):
            yield from _forms(value)
