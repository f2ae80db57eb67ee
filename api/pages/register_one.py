"""Registering one certificate: a form made from the type's schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.files import take_in
from api.http.guard import GuardedRoute
from api.imports.cells import LONG_TERM, CellError, value_of
from api.imports.columns import Column, columns_of
from api.pages import holders, wording
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.register import column_expected, column_label
from api.pages.rendering import go, show, texts_for
from api.pages.successors import successor_values
from api.pages.texts import Texts
from api.pages.views import FieldGroup, FormField, Option, ProblemView, SinglePage
from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.certificates.outcomes import Registered
from registry.errors import FieldError, InvalidDraftError
from registry.files.service import AttachedFile
from registry.files.store import StoredFile
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_OWN: Final = "extend_info."
_LONG_TEXT: Final = 150
_FILE_LIMIT_BYTES: Final = 32 * 1024 * 1024


@router.get("/register/single")
def single_form(request: Request, call: OfCall, type: str = "", replaces: str = "", by: str = "") -> Response:
    """登记一张证照的表单；replaces 是要由它替代的证照，by 是所办事项，原照面预先填好。"""
    t = texts_for(request)

    def ask(work: Work) -> SinglePage:
        definition = catalogue.definition_of(work, type)
        values = successor_values(work, definition, replaces, by) if replaces else {}
        return _Filled(definition, values, {}, t).page(holders.count(definition.holder, values))

    return show(request, "single.html", call.read(ask))


@router.post("/register/single")
def register_one(request: Request, call: OfCall, form: OfForm) -> Response:
    """登记一张证照，或增减一位持证主体后继续填写；表单有误时原样退回并逐项指出。"""
    t = texts_for(request)
    definition = call.read(lambda work: catalogue.definition_of(work, form.text("type_code")))
    values = {name: form.text(name) for name in form.texts}
    lost = [one.name for one in form.uploads.get("files", ())]
    moved = holders.moved(form, definition.holder, values)
    if moved is not None:
        view = _Filled(definition, moved.values, {}, t, moved.focus).page(moved.count, lost=lost)
        return show(request, "single.html", view)
    held = holders.count(definition.holder, values)
    try:
        facts = facts_of(definition, values, held)
        stored = [
            (one.name, call.services.files.put(one.content, _FILE_LIMIT_BYTES)) for one in form.uploads.get("files", ())
        ]
        done = call.write(lambda work: _register(call, work, facts, stored))
    except SHOWN_ERRORS as refused:
        problem = problem_view(refused, t, labels_of(definition, held, t))
        view = _Filled(definition, values, field_errors(refused, t), t).page(held, problem, lost)
        return show(request, "single.html", view, status=status_of(refused))
    return go(f"/certificates/{done.id}", done="known" if done.duplicate else "registered")


def _register(call: Call, work: Work, facts: dict[str, Any], stored: Sequence[tuple[str, StoredFile]]) -> Registered:
    take_in(call, work, [file for _, file in stored])
    attached = [AttachedFile(name, file.sha256) for name, file in stored]
    return certificates.register(work, parse_draft(facts), attached)


def facts_of(definition: TypeDefinition, values: Mapping[str, str], held: int) -> dict[str, Any]:
    """The draft's JSON of a sent form. Raises InvalidDraftError naming every field that cannot be read."""
    facts: dict[str, Any] = {"certificate_type_code": definition.code}
    info: dict[str, Any] = {}
    people: list[dict[str, Any]] = [{} for _ in range(held)]
    errors: list[FieldError] = []
    for column in columns_of(definition):
        for name, target, key in _places(column, facts, info, people):
            _take(values.get(name, ""), name, column, target, key, errors)
    if errors:
        raise InvalidDraftError(errors)
    if definition.validity.long_term:
        facts.setdefault("valid_to", LONG_TERM)
    # The first holder must be there; of the others those that were filled in.
    further = [person for person in people[1:] if person.keys() & {"holder_name", "holder_code"}]
    return {**facts, "holders": [people[0], *further], "extend_info": info}


def _places(
    column: Column, facts: dict[str, Any], info: dict[str, Any], people: list[dict[str, Any]]
) -> list[tuple[str, dict[str, Any], str]]:
    """Where the values of a column go: the input's name, the object, the key in it."""
    if column.field in holders.PARTS:
        return [(f"holders.{place}.{column.field}", person, column.field) for place, person in enumerate(people)]
    if column.field.startswith(_OWN):
        return [(column.field, info, column.field.removeprefix(_OWN))]
    return [(column.field, facts, column.field)]


def _take(text: str, name: str, column: Column, target: dict[str, Any], key: str, errors: list[FieldError]) -> None:
    try:
        value = value_of(text, column)
    except CellError as wrong:
        errors.append(FieldError(name, wrong.reason, f"{wrong.message}。"))
        return
    if value is not None:
        target[key] = value


@dataclass(frozen=True, slots=True)
class _Filled:
    """The form of a type as it was sent, or empty: values and errors by the names of the inputs."""

    definition: TypeDefinition
    values: Mapping[str, str]
    errors: Mapping[str, str]
    t: Texts
    #: The holder to look at, if one was added or removed.
    focus: int | None = None

    def page(self, held: int, problem: ProblemView | None = None, lost: Sequence[str] = ()) -> SinglePage:
        """The page with inputs for so many holders; lost: names of files that were chosen and are not kept."""
        t, columns = self.t, {column.field: column for column in columns_of(self.definition)}
        general = [name for name in columns if name not in holders.PARTS and not name.startswith(_OWN)]
        own = [f"{_OWN}{name}" for name in self.definition.order]

        titles = t("single.holder"), t("single.holder_n", n=holders.BLANK)

        def fields(place: str) -> list[FormField]:
            return [self.field(f"holders.{place}.{name}", columns[name]) for name in holders.PARTS]

        return SinglePage(
            type_code=self.definition.code, type_name=self.definition.name, definer_name=self.definition.definer_name,
            general=FieldGroup(t("single.general"), [self.field(name, columns[name]) for name in general]),
            holders=holders.holders_of(held, self.definition.holder, fields, titles),
            own=FieldGroup(t("single.own"), [self.field(name, columns[name]) for name in own]) if own else None,
            problem=problem, lost=lost,
        )  # fmt: skip

    def field(self, name: str, column: Column) -> FormField:
        """One input."""
        part = _schema_of(column, self.definition)
        options = _options(column, self.definition, part, self.t)
        longest = int(part.get("maxLength", 0))
        default = "001" if column.kind == "version" else options[0][0] if column.kind == "code_type" else ""
        long_term = column.kind == "last_day" and self.definition.validity.long_term
        look = {"autofocus": "autofocus"} if name == f"holders.{self.focus}.holder_name" else {}
        return FormField(
            name=name, label=column_label(column, self.t), value=self.values.get(name, default),
            hint=_hint(column, self.definition, options, self.t), error=self.errors.get(name),
            required=column.required and not long_term, type="date" if column.kind in ("day", "last_day") else "text",
            long=longest > _LONG_TEXT and not options, options=options,
            attrs={"maxlength": str(longest), **look} if longest else look,
        )  # fmt: skip


def labels_of(definition: TypeDefinition, held: int, t: Texts) -> dict[str, str]:
    """The labels of the inputs by their names."""
    labels: dict[str, str] = {}
    for column in columns_of(definition):
        is_holder = column.field in holders.PARTS
        names = [f"holders.{place}.{column.field}" for place in range(held)] if is_holder else [column.field]
        labels.update(dict.fromkeys(names, column_label(column, t)))
    return labels


def _schema_of(column: Column, definition: TypeDefinition) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = definition.schema.schema.get("properties", {})
    is_own = column.field.startswith(_OWN)
    found: Mapping[str, Any] = properties.get(column.field.removeprefix(_OWN), {}) if is_own else {}
    return found


def _options(column: Column, definition: TypeDefinition, part: Mapping[str, Any], t: Texts) -> list[Option]:
    if column.kind == "code_type":
        return wording.code_type_options(t, definition.holder.code_types)
    if column.kind == "boolean":
        return [("是", t("form.yes")), ("否", t("form.no"))]
    return [(str(value), str(value)) for value in part.get("enum", ())]


def _hint(column: Column, definition: TypeDefinition, options: Sequence[Option], t: Texts) -> str:
    if column.field == "certificate_number":
        return definition.number_hint
    if column.kind == "last_day":
        return t("single.long_term") if definition.validity.long_term else ""
    if column.kind in ("day", "code_type") or options or column.field in holders.PARTS:
        return ""
    return "" if column.expected.startswith("文本") else column_expected(column, t)
