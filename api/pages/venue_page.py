"""A venue as pages show it: its rule in words, its passes, its visits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from api.pages import times, wording
from api.pages.texts import Texts
from api.pages.venue_views import HoursRow, PassForm, PassLine, VenueCard, VenueForm, VenuePage, VisitLine
from api.pages.views import Fact, ProblemView
from registry.venues import service as venues
from registry.venues.tables import HandIn, Venue, VisitRow
from registry.work import Work
from verifier.status import Status

_SHOWN_VISITS = 30
_SHOWN_PASSES = 20
_WHOLE_WEEK = [1, 2, 3, 4, 5, 6, 7]


def card_of(row: Venue, type_names: Mapping[str, str], t: Texts) -> VenueCard:
    """The venue in the list."""
    return VenueCard(row.id, row.name, row.address, hours_text(row.rule, t), admits_text(row.rule, type_names, t))


def hours_text(rule: Mapping[str, Any], t: Texts) -> str:
    """The opening hours in words: 周一至周五 17:00–21:00；周六、周日 08:00–21:00."""
    spans = [f"{_days(span['days'], t)} {span['from']}–{span['to']}" for span in rule["hours"]]
    return ("; " if t.language == "en" else "；").join(spans) or t("venue.always")


def _days(days: list[int], t: Texts) -> str:
    if days == _WHOLE_WEEK:
        return t("venue.every_day")
    runs = len(days) > 2 and days == list(range(days[0], days[-1] + 1))
    if runs:
        return t("venue.day_range", first=t(f"weekday.{days[0]}"), last=t(f"weekday.{days[-1]}"))
    return t("list.separator").join(t(f"weekday.{day}") for day in days)


def admits_text(rule: Mapping[str, Any], type_names: Mapping[str, str], t: Texts) -> str:
    """Who may enter, in words."""
    admitted = [type_names.get(code, code) for code in rule["admit"]["types"]]
    if rule["admit"]["pass"]:
        admitted.append(t("venue.own_pass"))
    return t("list.separator").join(admitted) or t("venue.nobody")


def form_of(row: Venue, hours_rows: int) -> VenueForm:
    """The venue's facts and rule as the form of its rule begins."""
    spans = [HoursRow(span["days"], span["from"], span["to"]) for span in row.rule["hours"]]
    empty = [HoursRow((), "", "")] * max(0, hours_rows - len(spans))
    return VenueForm(
        name=row.name, address=row.address, area_code=row.area_code, responsible=row.responsible,
        hours=[*spans, *empty], admit=row.rule["admit"]["types"], admit_pass=row.rule["admit"]["pass"],
        anti_passback=str(row.rule["anti_passback_seconds"]), dynamic_only=row.rule.get("dynamic_only", False),
        printed_alone=row.rule.get("printed_alone", False),
    )  # fmt: skip


def venue_page(
    work: Work,
    row: Venue,
    form: VenueForm,
    pass_form: PassForm,
    t: Texts,
    *,
    problem: ProblemView | None,
    errors: Mapping[str, str],
    place: str,
) -> VenuePage:
    """One venue with everything that is known of it."""
    types = wording.type_options(work)
    passed, refused = _tally(work, row.id)
    may_manage = work.actor.department == row.department and work.actor.has_role("venue")
    return VenuePage(
        id=row.id, name=row.name, address=row.address, may_manage=may_manage, visits=_visits(work, row, t),
        passed=passed, refused=refused, last_hand_in=_last_hand_in(work, row.id, t),
        gate_command=f"suizheng gate --venue {row.id} --trust suizheng-trust.json", form=form, types=types,
        facts=_facts(row, dict(types), t), code_types=wording.code_type_options(t, people_only=True),
        pass_form=pass_form, passes=_passes(work, row, t) if may_manage else (), errors=errors, problem=problem,
        problem_in=place,
    )  # fmt: skip


def _facts(row: Venue, type_names: Mapping[str, str], t: Texts) -> list[Fact]:
    seconds, printed_alone = row.rule["anti_passback_seconds"], row.rule.get("printed_alone", False)
    return [
        Fact(t("venue.hours"), hours_text(row.rule, t)),
        Fact(t("venue.admit"), admits_text(row.rule, type_names, t)),
        Fact(t("venue.anti_passback"), str(seconds) if seconds else t("venue.none")),
        Fact(t("venue.codes"), t("venue.dynamic_only") if row.rule.get("dynamic_only") else t("venue.any_code")),
        Fact(t("venue.printed"), t("venue.printed_open") if printed_alone else t("venue.printed_looked")),
        Fact(t("venues.responsible"), row.responsible, mono=True),
        Fact(t("venue.id"), row.id, mono=True),
    ]


def _tally(work: Work, venue_id: str) -> tuple[int, int]:
    query = select(VisitRow.admitted, func.count()).where(VisitRow.venue_id == venue_id).group_by(VisitRow.admitted)
    counts = dict(iter(work.session.execute(query).tuples()))
    return counts.get(True, 0), counts.get(False, 0)


def _visits(work: Work, row: Venue, t: Texts) -> list[VisitLine]:
    return [
        VisitLine(visit.decided_at, visit.gate, visit.admitted, t.find(f"visit.{visit.reason}") or visit.reason)
        for visit in venues.list_visits(work, row.id, _SHOWN_VISITS)
    ]


def _last_hand_in(work: Work, venue_id: str, t: Texts) -> str:
    last = work.session.scalar(select(func.max(HandIn.handed_in_at)).where(HandIn.venue_id == venue_id))
    return times.age(work.at - last, t) if last else "—"


def _passes(work: Work, row: Venue, t: Texts) -> list[PassLine]:
    lines = []
    for item in venues.list_passes(work, row.id)[:_SHOWN_PASSES]:
        over = item.valid_to_at <= work.at
        valid = item.status == Status.VALID and not over
        status = t("codes.over") if over else wording.status_name(item.status, t)
        lines.append(PassLine(item.valid_from_at, item.valid_to_at, "valid" if valid else "dormant", status))
    return lines
