"""A chain of delegations in the reader's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from api.pages import times
from api.pages.texts import Texts
from registry.catalogue import service as catalogue
from registry.work import Work
from verifier.delegated_code import in_words
from verifier.delegation import LinkClaims, Role, reach_of


def role_name(role: Role, t: Texts) -> str:
    """A delegate's role."""
    return t(f"delegations.role.{role.name.lower()}")


def names_by_code(work: Work) -> dict[str, str]:
    """The names of every matter and every type by code."""
    names = {row.code: row.name for row in catalogue.list_matters(work)}
    return names | {row.code: row.name for row in catalogue.list_types(work)}


def chain_words(
    enterprise: str, links: Sequence[LinkClaims], people: Sequence[str | None], names: Mapping[str, str], t: Texts
) -> str:
    """Who acts for the enterprise, how far and how long; `people`: the delegates' masked names, one for each link."""
    reach = reach_of(links)
    if t.language == "zh":

        def name_of(code: str) -> str:
            return names.get(code, code)

        return in_words(enterprise, links, reach, name_of, name_of, people)
    who = [f"{name or ''} {role_name(link.role, t)}".strip() for link, name in zip_longest(links, people)]
    scopes = [names.get(one, one) for scope in (reach.matters, reach.types) for one in sorted(scope or ())]
    limits = t("list.separator").join(scopes) or t("delegations.everything")
    return t("delegations.words", who=" → ".join((enterprise, *who)), limits=limits, at=times.moment(reach.ends_at, t))
