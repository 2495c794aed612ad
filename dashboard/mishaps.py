"""What other packages say, in the reader's language; a sentence that is not known here is told as it came."""

from __future__ import annotations

import re
from functools import lru_cache

from dashboard.recommendation_words import against_words
from dashboard.sentences import recognised
from dashboard.texts import Texts, texts_of

_NOT_REACHED = re.compile(r"(?P<url>opc\.tcp://\S+): not reached \((?P<why>.*)\); check .*")
_NO_ANSWER = re.compile(r"(?P<url>opc\.tcp://\S+): no answer in time; check .*")
_REFUSED = re.compile(
    r"(?P<url>opc\.tcp://\S+): the server says (?P<status>Bad\w+) .*; check the user .* trusts our certificate '(?P<file>.*)'"
)
_NOT_TRUSTED = re.compile(
    r"(?P<url>opc\.tcp://\S+): the server's certificate \((?P<facts>.*)\) is not trusted; .* move '(?P<file>.*)' into '(?P<folder>.*)'"
)
_OF_WHICH = re.compile(r"(.+)( \([^()]*\))")
"""An alarm of one stream of a chart names it behind its message."""
_EDGE_NODES = re.compile(r"(?P<online>\d+) of (?P<all>\d+) edge nodes online(?:; (?P<rest>.*))?")
_OFFLINE = re.compile(r"(?P<name>\S.*) offline since (?P<time>[0-9: -]+ UTC)")
_NOT_HEARD = re.compile(r"(?P<name>\S.*) not heard of yet")
_UNTOLD = re.compile(r"(?P<n>\d+) signals are in no birth")


def told(sentence: str, t: Texts) -> str:
    """Return a sentence of another package in this language."""
    if found := _EDGE_NODES.fullmatch(sentence):
        parts = [t("{online} of {all} edge nodes online", online=found["online"], all=found["all"])]
        return "; ".join(parts + [_edge_node(part, t) for part in (found["rest"] or "").split("; ") if part])
    if found := _NOT_REACHED.fullmatch(sentence):
        return t("{url} is not reached ({why}): check host, port and firewall, and that the server runs.", **found.groupdict())
    if found := _NO_ANSWER.fullmatch(sentence):
        return t("{url} does not answer in time: check that this is an OPC UA server's port, and the network.", **found.groupdict())
    if found := _REFUSED.fullmatch(sentence):
        return t(
            "{url} refuses us ({status}): check user and password, and whether the server trusts our certificate {file}.",
            **found.groupdict(),
        )
    if found := _NOT_TRUSTED.fullmatch(sentence):
        return t(
            "The certificate of {url} is not trusted ({facts}): compare its thumbprint with the server's, then move {file} into {folder}.",
            **found.groupdict(),
        )
    return _said(sentence, t.language)


@lru_cache(maxsize=4096)
def _said(sentence: str, language: str) -> str:
    """Lists say the same few sentences again and again."""
    t, found = texts_of(language), recognised(sentence)
    if found is None:
        part = _OF_WHICH.fullmatch(sentence)
        return t(sentence) if part is None or recognised(part[1]) is None else _said(part[1], language) + part[2]
    key, words = found
    return sentence if t.language == "en" else t(key, **words | {"against": against_words(words.get("against"), t)})


def _edge_node(part: str, t: Texts) -> str:
    if found := _OFFLINE.fullmatch(part):
        return t("{name} offline since {time}", **found.groupdict())
    if found := _NOT_HEARD.fullmatch(part):
        return t("{name} not heard of yet", **found.groupdict())
    if found := _UNTOLD.fullmatch(part):
        return t("{n} signals are in no birth", **found.groupdict())
    return part
