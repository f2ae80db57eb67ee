"""Use cases of relatives: bind, end, find."""

from __future__ import annotations

from sqlalchemy import func, select

from registry.certificates.names import normalise_code
from registry.departments import service as departments
from registry.errors import DuplicateError, FieldError, InvalidDraftError, NotFoundError
from registry.ids import new_id_text
from registry.relatives import rules
from registry.relatives.tables import Relative
from registry.work import Work
from verifier.identifiers import IdentifierError, check_holder_number, is_organisation

Number = tuple[str, str]
"""Code type (GB/T 36903 annex A) and number of a person."""


def bind(work: Work, holder: Number, relative: Number, relation: str, document: str) -> Relative:
    """Record that `relative` may claim printed codes for `holder`, by a document that the window was shown.

    Raises InvalidDraftError (numbers, relation, document, too many), DuplicateError (bound already).
    """
    holder_index, relative_index = index_of(work, holder, "holder"), index_of(work, relative, "relative")
    errors = rules.check_relation(relation, document, same_person=holder_index == relative_index)
    if errors:
        raise InvalidDraftError(errors)
    bound = find(work, holder_index, relative_index)
    if bound is not None:
        raise DuplicateError("bound_already", "这名亲属已经绑定，无须重复。", bound.id)
    errors = rules.check_numbers(
        _count(work, Relative.holder_index == holder_index), _count(work, Relative.relative_index == relative_index)
    )
    if errors:
        raise InvalidDraftError(errors)
    row = Relative(
        id=new_id_text(work.at, work.draw), holder_index=holder_index, relative_index=relative_index, relation=relation,
        document=document.strip(), department=work.actor.department or departments.operator(work).code,
        bound_at=work.at, bound_by=work.actor.id,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return row


def end(work: Work, relative_id: str) -> Relative:
    """End a relation; any window may, for people move. Repeating it changes nothing. Raises NotFoundError."""
    row = work.session.get(Relative, relative_id, with_for_update=True)
    if row is None:
        raise NotFoundError("relative_unknown", "没有这项亲属绑定。")
    if row.revoked_at is None:
        row.revoked_at, row.revoked_by = work.at, work.actor.id
        work.session.flush()
    return row


def find(work: Work, holder_index: bytes, relative_index: bytes) -> Relative | None:
    """The live relation of these two, if there is one."""
    query = select(Relative).where(
        Relative.holder_index == holder_index, Relative.relative_index == relative_index, Relative.revoked_at.is_(None)
    )
    return work.session.scalars(query.limit(1)).one_or_none()


def of_holder(work: Work, holder: Number) -> list[Relative]:
    """The live relations of a holder, oldest first. Raises InvalidDraftError."""
    query = select(Relative).where(
        Relative.holder_index == index_of(work, holder, "holder"), Relative.revoked_at.is_(None)
    )
    return list(work.session.scalars(query.order_by(Relative.id)))


def index_of(work: Work, person: Number, field: str) -> bytes:
    """The blind index of a natural person. Raises InvalidDraftError naming the field."""
    code_type, number = person[0], normalise_code(person[1])
    if is_organisation(code_type):
        raise InvalidDraftError([FieldError(field, "not_a_person", "应为自然人的证件代码类型和证件号码。")])
    try:
        check_holder_number(code_type, number, field)
    except IdentifierError as wrong:
        raise InvalidDraftError([FieldError(field, wrong.reason, f"{wrong.message}。")]) from wrong
    return work.blind.of(code_type, number)


def _count(work: Work, whose: object) -> int:
    query = select(func.count(Relative.id)).where(whose, Relative.revoked_at.is_(None))  # type: ignore[arg-type]
    return work.session.scalar(query) or 0
