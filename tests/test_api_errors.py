"""The table of errors is whole, and what it says is what callers see."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import chain
import codes
import registry
import verifier
from api.errors import ROOTS, TABLE, TITLES, ProblemError, make_problem, problem_of, row_of
from registry.errors import AuthenticationError, FieldError, InvalidDraftError, NotFoundError, RegistryError
from verifier.errors import SchemaError


def _load_everything() -> None:
    for package in (registry, verifier, codes, chain):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)


def _family(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)


def test_every_class_of_every_tree_has_a_row_of_its_own() -> None:
    _load_everything()
    found = {kind for root in ROOTS for kind in _family(root) if not kind.__module__.startswith(("tests", "test_"))}
    assert {kind.__name__ for kind in found - TABLE.keys()} == set()


def test_every_row_has_a_status_that_exists_and_a_chinese_title() -> None:
    for kind, row in TABLE.items():
        assert row.status in TITLES, kind
        assert re.search("[一-龥]", row.title), kind
        assert (row.retry_after_seconds is not None) <= (row.status in (409, 503)), kind


def test_an_error_shows_its_reason_its_message_and_its_fields() -> None:
    refused = InvalidDraftError([FieldError("holders[0].holder_code", "wrong_check_character", "校验位不对。", row=3)])
    problem = problem_of(refused)
    assert problem is not None
    assert (problem.status, problem.reason, problem.type) == (
        422,
        "invalid_draft",
        "urn:suizheng:problem:invalid_draft",
    )
    assert [(one.row, one.field, one.reason) for one in problem.errors] == [
        (3, "holders[0].holder_code", "wrong_check_character")
    ]


def test_a_schema_error_lists_its_fields() -> None:
    problem = problem_of(SchemaError("schema_mismatch", "不符合", errors=(("address", "缺少“住所”"),)))
    assert problem is not None and [one.field for one in problem.errors] == ["address"]


def test_an_error_nobody_foresaw_has_no_problem_of_its_own() -> None:
    assert problem_of(RuntimeError("secret detail")) is None
    assert problem_of(RegistryError("nameless", "without a next move")) is None


def test_a_later_class_is_shown_as_its_nearest_ancestor() -> None:
    class LaterError(NotFoundError):
        """A class that was added below a row."""

    assert row_of(LaterError("x", "y")) == TABLE[NotFoundError]


@pytest.mark.parametrize("status", [400, 404, 409, 413, 429, 503])
def test_a_problem_of_the_rim_keeps_what_it_was_given(status: int) -> None:
    problem = problem_of(ProblemError(status, "a_reason", "一句话。", evidence={"a": 1}))
    assert problem == make_problem(status, "a_reason", "一句话。", evidence={"a": 1})


def test_a_failed_login_is_401_and_kept() -> None:
    assert TABLE[AuthenticationError].status == 401
    assert AuthenticationError.kept
