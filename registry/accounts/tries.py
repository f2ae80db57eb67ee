"""What guessing passwords costs: time, to whoever guesses, and nothing to a browser that its account knows.

Wrong passwords are counted for each account and place. A place is a browser with which somebody logged in to the
account before, or else an address. Unknown places are counted together as well, and wait longer the more often they
were wrong; each waits by itself, so that nobody can take the turn of somebody else. Nothing locks an account.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import delete, select, update

from registry import upserts
from registry.accounts import rules
from registry.accounts.tables import KnownBrowser, LoginTries, Staff
from registry.errors import LoginDelayedError
from registry.work import Work

#: User names that nobody has share so many rows, or whoever makes some up could fill the database. They must be counted
#: nevertheless: an account would be known by being slowed down.
_ROWS_OF_NOBODY: Final = 2**20
#: Name and place.
_Key: TypeAlias = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Place:
    """From where somebody logs in. browser: the secret of the browser's cookie, as it was sent."""

    address: str = ""
    browser: str | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """A try that counts as wrong until it turns out right: its own row, and the one that all unknown places share."""

    own: _Key
    together: _Key | None


def charge(work: Work, username: str, staff: Staff | None, place: Place) -> Charged:
    """Count a try as wrong before the password is looked at, so that guessing in parallel wins nothing.

    Raises LoginDelayedError: the place has to wait; the try is not counted then.
    """
    return _charge(work, charged_for(work, username, staff, place))


def charged_for(work: Work, username: str, staff: Staff | None, place: Place) -> Charged:
    """What a try from there is counted as."""
    if staff is not None and place.browser is not None and _knows(work, staff, place.browser):
        return Charged((_name_of(work, username), work.blind.of("browser", place.browser)), None)
    if staff is not None:
        name = _name_of(work, username)
        return Charged((name, work.blind.of("address", place.address)), (name, _everywhere(work)))
    own = _of_nobody(work, f"{username}|{place.address}"), work.blind.of("address", "")
    return Charged(own, (_of_nobody(work, username), _everywhere(work)))


def charge_own(work: Work, staff: Staff) -> Charged:
    """`charge` for whoever is logged in and has to say the present password once more."""
    return _charge(work, Charged((_name_of(work, staff.username), work.blind.of("session", staff.id)), None))


def give_back(work: Work, charged: Charged) -> None:
    """The password was right: the place begins anew, and is no newcomer for a day."""
    row = work.session.get(LoginTries, charged.own, with_for_update=True)
    if row is not None:
        row.failures, row.free_at, row.seen_at = 0, _free_after(work, timedelta(0)), work.at
    if charged.together is not None:
        name, place = charged.together
        counted = (LoginTries.name == name, LoginTries.place == place, LoginTries.failures > 0)
        work.session.execute(update(LoginTries).where(*counted).values(failures=LoginTries.failures - 1))


def remember_browser(work: Work, staff: Staff, browser: str | None) -> str:
    """The browser's new secret. Each log-in draws one: a planted or copied one ends. Its other accounts stay."""
    secret = rules.new_secret(work.draw)
    digest = rules.secret_digest(secret)
    if browser is not None:
        same = KnownBrowser.secret_sha256 == rules.secret_digest(browser)
        work.session.execute(delete(KnownBrowser).where(same, KnownBrowser.staff_id == staff.id))
        work.session.execute(update(KnownBrowser).where(same).values(secret_sha256=digest))
    work.session.add(KnownBrowser(secret_sha256=digest, staff_id=staff.id, seen_at=work.at))
    work.session.flush()
    newest = select(KnownBrowser.secret_sha256).where(KnownBrowser.staff_id == staff.id)
    kept = list(work.session.scalars(newest.order_by(KnownBrowser.seen_at.desc()).limit(rules.MAX_BROWSERS)))
    work.session.execute(
        delete(KnownBrowser).where(KnownBrowser.staff_id == staff.id, KnownBrowser.secret_sha256.not_in(kept))
    )
    return secret


def forget(work: Work, staff: Staff) -> None:
    """Let an account begin anew: no wrong passwords, no browser that it knows."""
    work.session.execute(delete(LoginTries).where(LoginTries.name == _name_of(work, staff.username)))
    work.session.execute(delete(KnownBrowser).where(KnownBrowser.staff_id == staff.id))


def guessed_at(work: Work, usernames: Collection[str]) -> set[str]:
    """The accounts at which so many guesses were made that newcomers have to wait."""
    names = {_name_of(work, username): username for username in usernames}
    slowed = select(LoginTries.name).where(
        LoginTries.place == _everywhere(work), LoginTries.failures >= rules.FREE_TRIES_OF_ALL,
        LoginTries.seen_at > work.at - rules.TRIES_LAST,
    )  # fmt: skip
    return {names[name] for name in work.session.scalars(slowed) if name in names}


def forget_old(work: Work) -> None:
    """Delete what counts no more."""
    work.session.execute(delete(LoginTries).where(LoginTries.seen_at <= work.at - rules.TRIES_LAST))
    work.session.execute(delete(KnownBrowser).where(KnownBrowser.seen_at <= work.at - rules.BROWSER_LASTS))


def _knows(work: Work, staff: Staff, browser: str) -> bool:
    row = work.session.get(KnownBrowser, (rules.secret_digest(browser), staff.id))
    return row is not None and work.at < row.seen_at + rules.BROWSER_LASTS


def _name_of(work: Work, username: str) -> bytes:
    return work.blind.of("username", username)


def _everywhere(work: Work) -> bytes:
    return work.blind.of("places", "all")


def _of_nobody(work: Work, made_up: str) -> bytes:
    digest = int.from_bytes(work.blind.of("nobody", made_up), "big")
    return (digest % _ROWS_OF_NOBODY).to_bytes(3, "big")


def _charge(work: Work, wanted: Charged) -> Charged:
    own, together = wanted.own, wanted.together
    rows = _locked(work, [own] if together is None else [own, together])
    mine, others = rows[own], None if together is None else rows[together]
    forgotten = work.at - rules.TRIES_LAST
    if others is not None and others.seen_at <= forgotten:
        others.failures = 0
    if mine.seen_at <= forgotten:
        mine.failures, mine.seen_at = 0, work.at
        mine.free_at = _free_after(work, rules.wait_of_newcomers(others.failures if others else 0))
    if work.at < mine.free_at:
        work.session.flush()
        raise _delayed(mine.free_at, work.at)
    for row in rows.values():
        row.failures, row.seen_at = row.failures + 1, work.at
    waits = rules.wait_after(mine.failures), rules.wait_of_newcomers(others.failures if others else 0)
    mine.free_at = _free_after(work, max(waits))
    work.session.flush()
    return wanted


def _locked(work: Work, keys: Sequence[_Key]) -> dict[_Key, LoginTries]:
    """The rows, made if missing; locked in one order, so that no two wait for each other."""
    unseen = {"failures": 0, "free_at": _free_after(work, timedelta(0)), "seen_at": work.at - rules.TRIES_LAST}
    rows = {}
    for name, place in sorted(keys):
        made = {"name": name, "place": place, **unseen}
        work.session.execute(upserts.insert_or_ignore(work.session, LoginTries), [made])
        found = work.session.get_one(LoginTries, (name, place), with_for_update=True, populate_existing=True)
        rows[name, place] = found
    return rows


def _free_after(work: Work, wait: timedelta) -> datetime:
    """When a place may try again. Without a wait it long may: of two tries side by side either may be the earlier."""
    return work.at + wait if wait else work.at - rules.TRIES_LAST


def _delayed(free_at: datetime, at: datetime) -> LoginDelayedError:
    seconds = math.ceil((free_at - at).total_seconds())
    wait = f"{seconds} 秒" if seconds < 120 else f"{math.ceil(seconds / 60)} 分钟"
    return LoginDelayedError(f"口令或验证码输错的次数过多，本次未核对；请在 {wait}后再试。", free_at, seconds)
