"""A registry on a real chain whose trust and evidence are examined by the verifier alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_runner import Institution, prepare
from sqlalchemy import select

from registry.certificates.tables import Certificate
from registry.evidence import service as evidence
from registry.trust import service
from registry.work import REGISTRY
from verifier.trust import TrustBundle


@pytest.fixture
def institution(database_url: str, tmp_path: Path) -> Iterator[Institution]:
    """On each database."""
    prepare(tmp_path, database_url)
    opened = Institution(tmp_path, database_url, hours=1)
    yield opened
    opened.close()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Institution]:
    """On SQLite only, for what does not depend on the database."""
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    prepare(tmp_path, url)
    opened = Institution(tmp_path, url, hours=1)
    yield opened
    opened.close()


def publish(institution: Institution) -> TrustBundle:
    """A new trust bundle."""
    with institution.registry.begin(REGISTRY) as work:
        return TrustBundle.open(service.publish(work, institution.keys))


def a_certificate(institution: Institution) -> str:
    """The id of one that was registered."""
    with institution.registry.read(REGISTRY) as work:
        return work.session.scalars(select(Certificate.id).order_by(Certificate.id)).all()[7]


def export(institution: Institution, certificate_id: str) -> bytes:
    """Its evidence bundle."""
    with institution.registry.read(REGISTRY) as work:
        return evidence.export(work, institution.pipeline.log, certificate_id)
