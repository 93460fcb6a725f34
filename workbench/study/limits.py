"""How often somebody may do something. Addresses are hashed with a salt of the day, in memory."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable

from workbench import places
from workbench.errors import Problem

# what: (times, seconds). A class of pupils shares one address: many may begin, few may guess.
BEGIN = ("begin", 200, 3600)  # new raters per address bucket
VOTE = ("vote", 90, 60)  # answers per rater
BROWSER, DAY = "browser", 86_400  # new raters per browser: how many, a plan says
GUESS = ("guess", 20, 3600)  # unknown codes and invitations per address bucket
PASSWORD = ("password", 5, 900)  # wrong passwords per address bucket
PASSWORDS = ("passwords", 50, 900)  # wrong passwords of everybody together


def true_address(address: str | None, forwarded: str | None) -> str | None:
    """Whose address counts: the connection's, or what our own proxies wrote into X-Forwarded-For.

    The last ones there were written by ours, as many as `places.proxies` says; who stands before
    them can write anything.
    """
    if not (ours := places.proxies()) or not forwarded:
        return address
    hops = [hop.strip() for hop in forwarded.split(",")]
    return hops[-ours] if len(hops) >= ours else hops[0]


class Limits:
    """Counts per kind and bucket in a sliding window; forgotten when the server ends."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[tuple[str, str], deque[float]] = {}
        self._salt, self._day = b"", -1

    def bucket(self, address: str | None) -> str:
        """A name for the neighbourhood of an address (/24, /48) that is another one tomorrow.

        The salt is random, never written down, and thrown away at midnight UTC.
        """
        try:
            parsed = ipaddress.ip_address(address or "127.0.0.1")
        except ValueError:
            return "unknown"
        width = 24 if parsed.version == 4 else 48
        network = ipaddress.ip_network(f"{parsed}/{width}", strict=False)
        with self._lock:
            if (today := int(self._clock() // 86_400)) != self._day:
                self._salt, self._day = secrets.token_bytes(32), today
            salt = self._salt
        return hashlib.blake2b(str(network).encode(), key=salt, digest_size=12).hexdigest()

    def check(self, limit: tuple[str, int, float], bucket: str) -> None:
        """Problem where it has happened too often already."""
        kind, times, seconds = limit
        with self._lock:
            recent = self._recent(kind, bucket, seconds)
            if len(recent) >= times:
                minutes = max(1, round((recent[0] + seconds - self._clock()) / 60))
                raise Problem(f"Too many of these came from here. Try again in {minutes} min.")

    def count(self, limit: tuple[str, int, float], bucket: str) -> None:
        """Note that it happened; Problem where it has happened too often already."""
        self.check(limit, bucket)
        kind, _, seconds = limit
        with self._lock:
            self._recent(kind, bucket, seconds).append(self._clock())

    def _recent(self, kind: str, bucket: str, seconds: float) -> deque[float]:
        times = self._times.setdefault((kind, bucket), deque())
        while times and times[0] <= self._clock() - seconds:
            times.popleft()
        if len(self._times) > 100_000:  # forget the idle ones
            self._times = {key: kept for key, kept in self._times.items() if kept}
            self._times[kind, bucket] = times
        return times
