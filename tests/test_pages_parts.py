"""The parts of pages that need no browser: texts, templates, dates, proofs, reports, forms."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.imports.columns import columns_of
from api.imports.reading import read_sheet
from api.pages import times, workbooks
from api.pages.access import PAGE_ACCESS
from api.pages.faces import face_of
from api.pages.preferences import Preferences
from api.pages.proofs import rungs_of
from api.pages.register_one import facts_of
from api.pages.rendering import environment, local_path, static_address, static_folder
from api.pages.texts import TEXTS, Texts
from registry.accounts.rules import ROLES
from registry.applications.rules import APPLICANTS
from registry.applications.rules import STATES as APPLICATION_STATES
from registry.authorisations.rules import ROUTES
from registry.calendar.rules import KINDS as CALENDAR_KINDS
from registry.catalogue.differences import RULES as TYPE_RULES
from registry.catalogue.field_rows import KINDS as FIELD_KINDS
from registry.catalogue.field_rows import RECEIVERS, SHOWN_TO
from registry.catalogue.layouts import FRAMES
from registry.catalogue.rules import KINDS as ITEM_KINDS
from registry.catalogue.rules import TypeDefinition, compile_definition
from registry.catalogue.service import builtin_definitions
from registry.catalogue.sheets import TICKS
from registry.components.rules import RESULTS, STATES
from registry.departments.rules import ACTIONS, LEVELS
from registry.disputes.rules import STATES as DISPUTE_STATES
from registry.errors import InvalidDraftError
from registry.factors.rules import EVENTS as FACTOR_EVENTS
from registry.imports.rules import OUTCOMES
from registry.imports.rules import State as ImportState
from registry.invoices.rules import FIELDS as INVOICE_FIELDS
from registry.keys.rules import REGISTRY_PURPOSES
from registry.log.published import Inclusion
from registry.notices.service import KINDS as NOTICE_KINDS
from registry.posters.rules import ALARMS
from registry.proposals.actions import ACTIONS as ACTIONS_OF_TWO
from registry.relatives.rules import RELATIONS
from registry.statuses.rules import Operation
from registry.uses.rules import REASONS
from verifier import merkle
from verifier.code import CodeKind
from verifier.delegation import Role
from verifier.entry import Kind
from verifier.errors import Check
from verifier.identifiers import HOLDER_CODE_TYPES
from verifier.note import Checkpoint
from verifier.status import Status
from verifier.verdict import Outcome, State

PAGES = Path(workbooks.__file__).parent
TEMPLATES = {path.name: path.read_text("utf-8") for path in sorted((PAGES / "templates").iterdir())}
CODE = {path.name: path.read_text("utf-8") for path in sorted(PAGES.glob("*.py"))}
NOON = datetime(2026, 11, 22, 4, 5, tzinfo=UTC)
CHINESE, ENGLISH = Texts("zh"), Texts("en")

CONDITIONS = ("well", "empty", "no_chain", "chain_down", "struggling", "halted", "hindered", "stopped", "governing")
#: Families of keys that are put together from codes of the registry and the verifier.
DOORS = ("register", "use", "venues")
FAMILIES = {
    "factor.event.": FACTOR_EVENTS,
    "quality.": (
        "pooled", "on_time", "complete", "accurate", "historic", "incremental", "numerator", "denominator",
    ),
    "first.": tuple(
        step + part
        for step in ("scope", "matter", "registrar", "window", "second")
        for part in (".title", ".body", ".action")
    ),
    "account.": ("open", "guessed", "password_due", "disabled"),
    "check.": tuple(Outcome),
    "check.name.": tuple(Check),
    "check.ok.": tuple(Check),
    "code_type.": tuple(HOLDER_CODE_TYPES),
    "keys.due.": ("waiting", "fresh", "due_soon", "overdue", "past"),
    "keys.purpose.": REGISTRY_PURPOSES,
    "keys.vault.": ("files", "token", "department"),
    "proposal.": tuple(ACTIONS_OF_TWO),
    "proposal.state.": ("open", "approved", "refused", "withdrawn", "expired", "alone"),
    "signing_keys.": ("itself_body", "service_body"),
    "signing_keys.state.": ("coming", "live", "past", "revoked", "compromised"),
    "delegate.": (
        "awaiting", "revoked", "suspended", "no_code", "expired", "early",
        "awaiting_about", "suspended_about", "no_code_about", "expired_about",
    ),
    "delegations.role.": tuple(role.name.lower() for role in Role),
    "delegations.state.": ("awaiting", "live", "revoked"),
    "codes.": (
        "delegated",
        *(kind.name.lower() + suffix for kind in CodeKind for suffix in ("", ".form", ".about")),
    ),
    "condition.": tuple(
        name + suffix
        for name in CONDITIONS
        for suffix in ("", ".detail")
    ),
    "chain.": ("up", "down", "wrong", "none"),
    "day.": tuple("1234567"),
    "explore.role.": ("root", "way", "leaf", "given"),
    "import.do.": ("cancel", "pause", "register", "resume"),
    "import.dry.": ("all", "some"),
    "import.h.": (*(state for state in ImportState if state is not ImportState.DONE), "trying"),
    "import.state.": tuple(ImportState),
    "report.": (*OUTCOMES, "all", "some"),
    "kind.": tuple(kind.name.lower() for kind in Kind),
    "home.": tuple(f"{door}.{part}" for door in (*DOORS, "wallet") for part in ("title", "body", "action")),
    "operation.": tuple(operation.label for operation in Operation),
    "meaning.": tuple(operation.label for operation in Operation),
    "progress.": ("registered", "sequenced", "anchored"),
    "alarm.": tuple(ALARMS),
    "applicant.": tuple(APPLICANTS),
    "application.": tuple(APPLICATION_STATES),
    "accounts.ask_": ("reset", "disable", "revoke"),
    "calendar.": tuple(CALENDAR_KINDS),
    "dispute.": (*DISPUTE_STATES, "decided"),
    "notice.": NOTICE_KINDS,
    "fault.": tuple(STATES),
    "inspection.": tuple(RESULTS),
    "invoice.": tuple(INVOICE_FIELDS),
    "invoice.seal.": ("valid", "undecided", "not_in_force"),
    "relation.": tuple(RELATIONS),
    "role.": tuple(ROLES),
    "level.": tuple(LEVELS),
    "scope.": (*ACTIONS, "coming", "live", "past"),
    "departments.": tuple(
        f"{part}.{act}" for part in ("decide", "effect", "sure") for act in ("suspend", "reinstate")
    ),
    "route.": tuple(ROUTES),
    "state.": tuple(status.name.lower() for status in Status),
    "token.": ("live", "expired", "revoked"),
    "types.kind.": tuple(ITEM_KINDS),
    "types.field.": tuple(FIELD_KINDS),
    "types.mask.": ("none", "name", "number", "hide"),
    "types.shown_to.": tuple(SHOWN_TO),
    "types.receivers.": (*RECEIVERS, "kept"),
    "types.frame.": tuple(FRAMES),
    "types.tick.": TICKS,
    "types.change.": ("added", "removed", "changed", "rule"),
    "types.rule.": TYPE_RULES,
    "materials.": ("file_found", "file_not_found"),
    "trusted.": ("propose", "trust"),
    "trusted.period.": ("early", "now", "past"),
    "verdict.": tuple(state + suffix for state in State for suffix in ("", ".means")),
    "phones.ended.": ("lost", "withdrawn", "replaced"),
    "weekday.": tuple("1234567"),
    "next.state.": tuple(state for state in State if state is not State.VALID),
    "reason.": tuple(REASONS),
    "toast.": (
        "factor_ended", "factor_removed",
        "quality",
        "changed", "code", "disabled", "known", "lost", "pass", "password", "registered", "revoked", "rule", "venue",
        "relative", "relative_ended", "fault", "fault_handled", "fault_closed", "inspection", "component_moved",
        "applied", "approved", "refused", "posters", "put_up", "alarm_closed", "poster_reported",
        "component_removed", "copy", "copy_ended", "extract", "extract_asked", "key",
        "phone", "delegation", "undelegated",
        "calendar", "dispute", "dispute_step", "invoice", "invoice_known",
        "type_saved", "type_published", "type_taken_back", "type_discarded", "type_restored", "local_code",
        "local_code_removed",
        "department_registered", "department_suspended", "department_reinstated", "scope_granted", "scope_ended",
        "material", "matter_registered", "matter_changed", "matter_retired", "matter_restored",
        "key_ended", "key_held", "key_served", "proposal_approved", "proposal_refused", "proposal_withdrawn",
        "proposed", "roles", "trusted", "trust_ended",
    ),
}  # fmt: skip
#: Families whose keys are looked up and may be missing.
OPEN_FAMILIES = ("column.", "evidence.", "mend.", "next.", "problem.title.", "proposal.field.", "proposal.value.",
                 "reason.", "refusal.", "visit.")  # fmt: skip


def literal_keys() -> set[str]:
    in_templates = {key for text in TEMPLATES.values() for key in re.findall(r'\b(?:t|said)\("([\w.]+)"[,)]', text)}
    alone = r'(?:said_as\("[\w-]+", |set name = )"([\w.]+)"'
    in_templates |= {key for text in TEMPLATES.values() for key in re.findall(alone, text)}
    in_templates |= {key for text in TEMPLATES.values() for key in re.findall(r"\bt\('([\w.]+)'[,)]", text)}
    in_code = {key for text in CODE.values() for key in re.findall(r'\bt\(\s*"([\w.]+)"', text)}
    tables = {key for text in CODE.values() for key in re.findall(r'"((?:nav|fact|date)\.[\w]+)"', text)}
    alternatives = {
        "register.title",
        "certificates.title",
        "codes.title",
        "venues.title",
        "use.title",
        "explore.title",
        "imports.title",
        "explore.step_left",
        "types.exact_holders",
        "types.exact_years",
        "types.holders_span",
        "types.years",
        "explore.step_right",
    }
    return in_templates | in_code | tables | alternatives


def family_keys() -> set[str]:
    return {prefix + name for prefix, names in FAMILIES.items() for name in names}


def test_every_text_stands_in_both_languages_with_the_same_values_in_it() -> None:
    fields = string.Formatter()
    for key, pair in TEXTS.items():
        assert len(pair) == 2 and all(text.strip() for text in pair), key
        wanted = [sorted(name for _, name, _, _ in fields.parse(text) if name) for text in pair]
        if not key.startswith("register.sending"):
            assert wanted[0] == wanted[1], key


def test_english_texts_are_english_and_chinese_ones_chinese() -> None:
    latin_names = {"site.brand", "codes.grants"}
    for key, (chinese, english) in TEXTS.items():
        if key not in latin_names | {"column.valid_to.expected"}:
            assert not re.search("[\u4e00-\u9fff]", english), key
        assert re.search("[\u4e00-\u9fff]", chinese) or re.fullmatch(r"[{}\w\s,，：、·]+", chinese), key


def test_templates_have_no_words_of_their_own() -> None:
    for name, text in TEMPLATES.items():
        of_both = re.sub(
            r"<article class=\"face.*?</article>|lang=\"zh-CN\">.*?</span>|{#.*?#}", "", text, flags=re.DOTALL
        )
        assert re.findall("[\u3001-\u301f\u4e00-\u9fff\uff01-\uff5e]+", re.sub("中文|长期", "", of_both)) == [], name


def test_what_the_registry_refuses_is_told_in_both_languages() -> None:
    said = "没有登记该部件，请核对标识码。"
    assert CHINESE.refusal("component_unknown", said) == said
    assert ENGLISH.refusal("component_unknown", said) == "There is no component with this code."
    assert ENGLISH.refusal("too_many_requests", "…") == "Too many requests. Try again shortly."
    assert ENGLISH.refusal("of_no_family", said) == said


def test_every_refusal_is_worded_once_and_is_one_that_happens() -> None:
    refusals = {key.partition(".")[2] for key in TEXTS if key.startswith("refusal.")}
    assert [reason for reason in refusals if f"reason.{reason}" in TEXTS] == []
    sources = [
        path.read_text("utf-8") for name in ("api", "registry") for path in PAGES.parents[1].glob(f"{name}/**/*.py")
    ]
    named = {reason for text in sources for reason in re.findall(r'"([a-z_]+)"', text)}
    # Made from the words of a status (api/http/problems.py).
    assert refusals - named <= {"method_not_allowed", "bad_request"}


def test_no_page_asks_for_a_text_that_does_not_exist() -> None:
    assert sorted((literal_keys() | family_keys()) - TEXTS.keys()) == []


def test_no_text_stands_there_unused() -> None:
    used = literal_keys() | family_keys()
    assert sorted(key for key in TEXTS.keys() - used if not key.startswith(OPEN_FAMILIES)) == []


def test_every_line_shown_after_a_write_has_its_text() -> None:
    named = {name for text in CODE.values() for name in re.findall(r'done="(\w+)"', text)}
    assert {f"toast.{name}" for name in named} <= TEXTS.keys()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_keeps_to_the_content_security_policy(name: str) -> None:
    text = TEMPLATES[name]
    assert not re.search(r"\sstyle\s*=|<style|\son\w+\s*=|javascript:|\|\s*safe\b", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r"(?:href|src|action)=[\"'](?:https?:)?//", text)


def test_static_files_name_no_other_host() -> None:
    for path in static_folder.rglob("*"):
        # Parts of others are not ours to word; tests in the browser hold that nothing leaves the server.
        if path.is_file() and "vendor" not in path.parts:
            text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|@import|url\([\"']?//", text), path.name


def test_every_static_file_and_icon_that_a_template_names_exists() -> None:
    symbols = set(re.findall(r'<symbol id="([\w-]+)"', (static_folder / "icons.svg").read_text("utf-8")))
    for text in TEMPLATES.values():
        for path in re.findall(r"static\(['\"]([\w./-]+)['\"]\)", text):
            assert static_address(path).startswith(f"/static/{path}?v=")
        assert set(re.findall(r'ui\.icon\("([\w-]+)"', text)) <= symbols


def test_every_template_compiles_and_an_unknown_name_is_an_error() -> None:
    for name in TEMPLATES:
        environment().get_template(name)
    with pytest.raises(Exception, match="undefined"):
        environment().from_string("{{ nothing }}").render()


def test_every_write_of_a_page_is_a_form_and_no_page_is_open_to_all_by_mistake() -> None:
    public = {operation for operation, rule in PAGE_ACCESS.items() if rule.is_public}
    assert public == {
        "GET /", "GET /login", "POST /login", "POST /login/code", "GET /verify", "POST /verify", "GET /status",
        "POST /settings",
        "GET /explore", "GET /explore/{index}", "GET /components/{code}", "POST /components/{code}/faults",
        "POST /posters/{code_id}/reports",
        "GET /wallet", "GET /wallet/delegated", "GET /wallet.webmanifest", "GET /sw.js", "GET /gate",
        "GET /gate.webmanifest",
    }  # fmt: skip
    assert all(rule.body == "form" for operation, rule in PAGE_ACCESS.items() if operation.startswith("POST"))


def test_moments_and_days_are_written_as_people_in_shanghai_read_them() -> None:
    assert times.moment(datetime(2026, 11, 22, 6, 5, tzinfo=UTC), CHINESE) == "2026年11月22日 14:05"
    assert times.moment(datetime(2026, 11, 22, 17, 5, tzinfo=UTC), CHINESE) == "2026年11月23日 01:05"
    assert times.moment(datetime(2026, 11, 22, 6, 5, tzinfo=UTC), ENGLISH) == "22 Nov 2026, 14:05"
    assert times.day("20260105", CHINESE) == times.day(date(2026, 1, 5), CHINESE) == "2026年1月5日"
    assert times.day("长期", CHINESE) == times.day(None, CHINESE) == "长期"
    assert times.day("20261399", CHINESE) == "20261399" or pytest.fail(
        "a day that does not exist is shown as it stands"
    )


@pytest.mark.parametrize(
    ("span", "written"),
    [
        (timedelta(seconds=-5), "刚刚"),
        (timedelta(minutes=7), "7 分钟前"),
        (timedelta(hours=3), "3 小时前"),
        (timedelta(days=9), "9 天前"),
    ],
)
def test_an_age_is_told_in_the_one_unit_that_matters(span: timedelta, written: str) -> None:
    assert times.age(span, CHINESE) == written


@given(st.text(max_size=40), st.text(max_size=40))
def test_nonsense_in_a_settings_form_changes_nothing(language: str, size: str) -> None:
    kept = Preferences("en", True)
    changed = kept.changed(language, size)
    assert changed.language == (language if language in ("zh", "en") else "en")
    assert changed.large_print == (size == "large" if size in ("large", "normal") else True)


@pytest.mark.parametrize(
    ("asked", "followed"),
    [
        ("/use", "/use"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil", "/"),
        ("", "/"),
        ("/a\nb", "/"),
    ],
)
def test_an_address_from_a_form_never_leads_to_another_host(asked: str, followed: str) -> None:
    assert local_path(asked) == followed


def node_of(hashes: list[bytes]) -> Callable[[int, int], bytes]:
    return lambda level, index: merkle.root_of(hashes[index << level : (index + 1) << level])


def climb(leaf: bytes, steps: Iterable[tuple[bool, bytes]]) -> bytes:
    for left, given_hash in steps:
        leaf = merkle.node_hash(given_hash, leaf) if left else merkle.node_hash(leaf, given_hash)
    return leaf


@pytest.mark.parametrize("size", range(1, 34))
def test_the_drawn_proof_joins_every_hash_from_its_true_side(size: int) -> None:
    hashes = [merkle.leaf_hash(bytes((number,))) for number in range(size)]
    root = merkle.root_of(hashes)
    for index, leaf in enumerate(hashes):
        path = merkle.inclusion_path(index, size, node_of(hashes))
        sides = [rung.left for rung in rungs_of(Inclusion(Checkpoint("log", size, root), index, leaf, path))]
        assert climb(leaf, zip(sides, path, strict=True)) == root


def definitions() -> list[TypeDefinition]:
    compiled = [compile_definition(definition) for definition in builtin_definitions()]
    return [definition for definition in compiled if definition.kind == "certificate"]


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.name)
def test_a_template_names_every_column_and_is_read_as_a_file_without_rows(definition: TypeDefinition) -> None:
    columns = columns_of(definition)
    for data in (workbooks.template_csv(columns), workbooks.template_xlsx(columns)):
        assert list(read_sheet(data).rows[0].cells) == [column.header for column in columns]


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.name)
def test_the_form_of_a_type_reads_days_and_leaves_out_what_was_left_empty(definition: TypeDefinition) -> None:
    sent = {"certificate_number": " X1 ", "issue_date": "2026-01-05", "holders.0.holder_name": "某某"}
    facts = facts_of(definition, sent, 2)
    assert (facts["certificate_number"], facts["issue_date"]) == ("X1", "20260105")
    assert len(facts["holders"]) == 1 and "certificate_version" not in facts
    assert ("valid_to" in facts) == definition.validity.long_term
    with pytest.raises(InvalidDraftError) as refused:
        facts_of(definition, {**sent, "valid_from": "2026-02-31"}, 1)
    assert [error.field for error in refused.value.errors] == ["valid_from"]


def test_a_face_tells_required_facts_first_and_long_ones_across_its_width() -> None:
    definition = next(one for one in definitions() if one.number == 1)
    info = {name: "短" for name in definition.schema.schema["properties"]} | {
        "business_scope": "食品经营；" * 9,
        "established_on": "20260105",
    }
    holder = {"holder_name": "示例公司", "holder_code": "91310105MA1FWT014B", "holder_code_type_code": "001"}
    face = face_of(
        {
            "certificate_name": "营业执照", "certificate_number": "1", "holders": [holder], "extend_info": info,
            "issuing_authority_name": "示例机关", "issue_date": "20260105", "valid_from": "20260105",
            "valid_to": "长期",
        },
        definition,
    )  # fmt: skip
    assert face.frame == "licence" and face.validity == "2026年1月5日 至 长期"
    assert [fact.label for fact in face.facts[:2]] == ["名称", "统一社会信用代码"]
    assert face.facts[-1].label == "经营范围" and face.facts[-1].wide
    assert definition.order[0] == "entity_type"
