"""What the page of extracts shows: the list, and what would go out for a matter and a receiver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from api.pages import wording
from api.pages.ends import latest_day, usual_day
from api.pages.extract_views import ExtractLine, ExtractsPage, GoingField, Offer, Staying
from api.pages.forms import Form
from api.pages.texts import Texts
from api.pages.views import Fact, Option, ProblemView
from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.certificates import sight
from registry.certificates.tables import Certificate
from registry.departments import service as departments
from registry.errors import NotFoundError
from registry.extracts import rules
from registry.extracts import service as extracts
from registry.extracts.tables import Extract, ExtractDraft
from registry.uses import service as uses
from registry.uses.tables import Use
from registry.work import Work
from verifier.extract import OPEN_FIELDS, contents
from verifier.status import Status
from verifier.times import shanghai_day


@dataclass(frozen=True, slots=True)
class Wish:
    """For which matter and receiver, or for which use, an extract is to be made; empty where nothing was chosen."""

    matter: str
    receiver: str
    use_id: str


def extracts_page(
    work: Work,
    certificate_id: str,
    wish: Wish,
    form: Form,
    t: Texts,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> ExtractsPage:
    """The page. Raises NotFoundError (certificate, matter, receiver, use), NotPermittedError (type not accepted)."""
    row = sight.look_at(work, certificate_id)
    definition = catalogue.definition_at(work, row.type_code, row.type_version)
    names = wording.department_names(work)
    may_make = work.actor.department is not None and work.actor.has_role("window")
    use = _use(work, row, wish.use_id)
    matter, receiver = (use.matter_code if use else wish.matter), wish.receiver or work.actor.department or ""
    offer = _offer(work, row, matter, receiver, use, form, t) if may_make and matter else None
    proposed = {"expires_on": usual_day(work, row).isoformat()}
    return ExtractsPage(
        certificate_id=row.id, title=definition.name,
        lines=[_line(work, one, definition, names, t) for one in extracts.list_of(work, row.id)], may_make=may_make,
        matters=_matters(work, row) if may_make else (), receivers=_receivers(work, row, names) if may_make else (),
        offer=offer, values={**proposed, "matter": matter, "receiver": receiver,
                             **{name: form.text(name) for name in form.texts}},
        errors=errors or {}, problem=problem,
    )  # fmt: skip


def _use(work: Work, row: Certificate, use_id: str) -> Use | None:
    if not use_id:
        return None
    use = uses.get(work, use_id)
    if use.department != work.actor.department or use.item_id != row.id:
        raise NotFoundError("use_unknown", "本部门没有对该证照的这次用证，请核对编号。")
    return use


def _matters(work: Work, row: Certificate) -> list[Option]:
    """The actor's own matters that take such a certificate."""
    return [
        (matter.code, matter.name)
        for matter in catalogue.list_matters(work, work.actor.department)
        if any(row.type_code in slot.accepts for slot in catalogue.slots_of(work, matter.code))
    ]


def _receivers(work: Work, row: Certificate, names: Mapping[str, str]) -> list[Option]:
    scopes = departments.list_scopes(work, action="use")
    codes = sorted({scope.department for scope in scopes if scope.type_code == row.type_code})
    return [(code, names.get(code, code)) for code in codes]


def _offer(
    work: Work, row: Certificate, matter_code: str, receiver: str, use: Use | None, form: Form, t: Texts
) -> Offer:
    source = extracts.source_of(work, row.id, matter_code, use.slot_code if use else None)
    choice = extracts.choice_of(work, source, receiver)
    ticked = form.all("field") if form.texts else choice.going
    titles = {part: rules.title_of(part, source.definition) for part in rules.parts_of(source.face)}
    grant = None if use else uses.find_covering(work, row.id, source.matter)
    staying = ((t("extracts.kept"), choice.kept), (t("extracts.not_needed"), choice.not_needed))
    return Offer(
        matter=source.matter.name, receiver=departments.get(work, receiver).name, use_id=use.id if use else "",
        basis=f"{use.purpose} · {use.case_no}" if use else source.matter.purpose, authorised=bool(use or grant),
        always=[rules.FIELD_CHINESE[name] for name in OPEN_FIELDS],
        going=[GoingField(part, titles[part], part in ticked) for part in choice.going],
        staying=[Staying(why, [titles[part] for part in parts]) for why, parts in staying if parts],
        earliest=shanghai_day(work.at).isoformat(), latest=latest_day(work, row).isoformat(),
    )  # fmt: skip


def told_facts(work: Work, presented: bytes, t: Texts) -> list[Fact]:
    """What a genuine extract tells beside what every one tells, by the titles of its type."""
    told = contents(presented)
    found = catalogue.find_type(work, told["vct"].rpartition("/")[2])
    values: dict[str, list[str]] = {}
    for path, value in told.items():
        head, *steps = path.split(".")
        part = ".".join(step for step in steps if not step.isdigit())
        if head == "certificate" and part not in OPEN_FIELDS and part != "holders.holder_code_type_code":
            values.setdefault(part, []).append(value)
    definition = None if found is None else catalogue.definition_of(work, found.code)
    return [Fact(_title(part, definition), t("list.separator").join(said)) for part, said in values.items()]


def _title(part: str, definition: TypeDefinition | None) -> str:
    return part if definition is None else rules.title_of(part, definition)


def _line(
    work: Work, row: Extract | ExtractDraft, definition: TypeDefinition, names: Mapping[str, str], t: Texts
) -> ExtractLine:
    state, matter = extracts.state_of(work, row), catalogue.find_matter(work, row.matter_code)
    is_draft = isinstance(row, ExtractDraft)
    waits = is_draft and state is Status.VALID
    return ExtractLine(
        id=row.id, matter=matter.name if matter else row.matter_code, receiver=names.get(row.receiver, row.receiver),
        maker=names.get(row.department, row.department),
        fields=[rules.title_of(part, definition) for part in row.fields],
        made_at=row.asked_at if isinstance(row, ExtractDraft) else row.made_at, expires_at=row.expires_at,
        tone="dormant" if state is None or waits else wording.tone_of(state),
        state=t("extracts.awaited") if waits else t("copies.over") if state is None else wording.status_name(state, t),
        may_take=not is_draft and work.actor.has_role("registrar", "window"),
    )  # fmt: skip
