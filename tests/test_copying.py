"""Bulk inserts by COPY: the same rows, the same conflicts, the same errors as by statements."""

from __future__ import annotations

import os
from typing import Any

import pytest
from registry_house import House, food
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from registry import upserts
from registry.certificates import service as certificates
from registry.certificates.outcomes import Registered
from registry.certificates.tables import Certificate, CertificateHolder
from registry.files.tables import StoredFileRow

pytest_plugins = ("registry_fixtures",)


def batch(*numbers: int) -> list[Any]:
    return [food(number) for number in numbers]


def test_a_large_batch_is_the_same_on_both_databases_and_repeats_itself(house: House) -> None:
    first = house.do(certificates.register_many, batch(*range(300)))
    assert all(isinstance(one, Registered) and not one.duplicate for one in first)
    again = house.do(certificates.register_many, batch(*range(250, 500)))
    assert [one.duplicate for one in again] == [True] * 50 + [False] * 200
    assert [one.id for one in again[:50]] == [one.id for one in first[250:]]
    with house.work() as work:
        assert work.session.scalar(select(func.count()).select_from(Certificate)) == 500
        assert work.session.scalar(select(func.count()).select_from(CertificateHolder)) == 500


def test_what_was_changed_by_normalising_is_kept_in_a_large_batch_too(house: House) -> None:
    drafts = batch(*range(200))
    drafts[7] = food(7, number="ＪＹ２0000000000007")
    outcomes = house.do(certificates.register_many, drafts)
    row = house.see(certificates.get, outcomes[7].id)
    assert (row.number, row.raw) == ("JY20000000000007", {"certificate_number": "ＪＹ２0000000000007"})


def test_a_copy_that_breaks_a_rule_raises_and_leaves_the_transaction_usable(house: House) -> None:
    holders = [(os.urandom(32), "0" * 26, position) for position in range(200)]
    with house.work() as work:
        with pytest.raises(IntegrityError), work.session.begin_nested():
            upserts.insert_many(
                work.session, CertificateHolder, ("holder_index", "certificate_id", "position"), holders
            )
            work.session.connection().exec_driver_sql("SELECT 1")
        assert work.session.scalar(select(func.count()).select_from(StoredFileRow)) == 0
