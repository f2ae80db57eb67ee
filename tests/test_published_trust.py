"""The published trust bundle under many readers: the database is looked at when something changed, not when asked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from crash_runner import Institution
from sqlalchemy import event, text

from api.http.public import has_already
from api.http.published_trust import PublishedTrust
from registry.change_mark import ChangeMark
from registry.database import open_engine
from registry.departments import service as departments
from registry.trust import service as trust
from registry.work import REGISTRY

pytest_plugins = ("trust_house",)

CENTRE = "52310105MJ9T00029N"


@pytest.fixture
def published(institution: Institution) -> Iterator[PublishedTrust]:
    published = PublishedTrust(institution.registry, institution.keys)
    yield published
    published.close()


def register_centre(institution: Institution) -> None:
    with institution.registry.begin(REGISTRY) as work:
        departments.register(work, CENTRE, "上海市长宁区示例服务中心（示例）", "示例中心")


def test_a_mark_stands_while_others_read_and_moves_when_another_process_commits(database_url: str) -> None:
    here, there = open_engine(database_url), open_engine(database_url)
    with there.begin() as connection:
        connection.execute(text("CREATE TABLE marked (number INTEGER)"))
    mark = ChangeMark(here)
    # A database server has housekeeping of its own, which may count as a change at any one moment.
    assert any(mark.read() == mark.read() for _ in range(100))
    for number in range(3):
        before = mark.read()
        with there.begin() as connection:
            connection.execute(text("INSERT INTO marked VALUES (:number)"), {"number": number})
        assert mark.read() != before
    # So does one of the same process.
    before = mark.read()
    with here.begin() as connection:
        connection.execute(text("DELETE FROM marked"))
    assert mark.read() != before
    mark.close()
    here.dispose()
    there.dispose()


def test_however_many_ask_at_once_the_states_are_read_a_few_times_and_everybody_has_what_is_committed(
    institution: Institution, published: PublishedTrust
) -> None:
    before = published.newest()
    looks: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM status_values" in statement:
            looks.append(statement)

    register_centre(institution)
    event.listen(institution.engine, "before_cursor_execute", count)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: published.newest(), range(200)))
    event.remove(institution.engine, "before_cursor_execute", count)
    assert len({one.tag for one in found} | {before.tag}) == 2
    assert CENTRE in {one.code for one in published.bundle().content.departments}
    # To see the change, and for the new bundle. On a database server whatever any other database does counts too.
    if institution.engine.dialect.name == "sqlite":
        assert len(looks) < 20


def test_a_bundle_is_renewed_at_half_its_life_although_nothing_changed(
    institution: Institution, published: PublishedTrust
) -> None:
    first = published.newest()
    assert published.newest().data == first.data
    institution.clock.at += trust.LIFETIME / 2 + timedelta(seconds=1)
    assert published.bundle().content.version == first.opened.content.version + 1


def test_a_client_that_names_what_it_has_is_understood_in_every_form_of_the_header() -> None:
    tag = '"abc"'
    for sent in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        assert has_already(sent, tag)
    for sent in ("", '"abcd"', "abc", 'W/"x"'):
        assert not has_already(sent, tag)
