"""The rows of a job as drafts: what one request does with a small file, and what only a large one needs: rows that
stand there twice, files out of a ZIP, zeros that a spreadsheet has eaten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from api.imports.attachments import AttachmentError, Attachments
from api.imports.cells import CellError, value_of
from api.imports.columns import Layout
from api.imports.drafts import RowDraft, default_code_type, row_draft
from api.imports.sheets import SheetRow, column_letters
from registry.catalogue.rules import TypeDefinition
from registry.certificates.drafts import parse_draft
from registry.certificates.names import normalise_number
from registry.certificates.rules import FIRST_VERSION, CertificateDraft
from registry.errors import FieldError, InvalidDraftError, LimitError
from registry.files.service import MAX_ATTACHED, AttachedFile
from registry.files.store import StoredFile
from registry.imports.chunks import ChunkRow
from registry.imports.rules import Fault

#: Zeros that may have stood before a number.
_MOST_ZEROS: Final = 6
_NEARLY_ALL: Final = 0.8
_NAMES_SHOWN: Final = 20
_NAME_CHARS: Final = 60

#: Takes the bytes of a file of the ZIP; what it is then known as.
Store = Callable[[Iterable[bytes]], StoredFile]


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the numbers of a whole file tell of single ones.

    twice: rows whose number and version stand in an earlier row, with that row. zero_length: how long numbers are
    where nearly all are equally long and begin with 0, else None.
    """

    twice: Mapping[int, int]
    zero_length: int | None = None


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the rows of one job."""

    definition: TypeDefinition
    layout: Layout
    numbers: Numbers
    attachments: Attachments | None
    store: Store
    #: What was taken out of the ZIP for the present chunk, by name.
    stored: dict[str, StoredFile] = field(default_factory=dict)

    def read(self, rows: Sequence[SheetRow]) -> list[ChunkRow]:
        """A chunk's rows. The files they attach are in the store when this returns."""
        self.stored.clear()
        code_type, plan = default_code_type(self.definition), self.layout.plan()
        return [self._read(row_draft(row, plan, self.layout, code_type)) for row in rows]

    def tell(self, error: FieldError) -> Fault:
        """A fault by the column it is in."""
        place = self.layout.place_of(error.field)
        letters = "" if place is None else column_letters(place)
        return Fault(self.layout.header_of(error.field), letters, error.field, error.reason, error.message)

    def _read(self, read: RowDraft) -> ChunkRow:
        if read.facts is None:
            return self._refused(read.row, read.errors)
        facts: dict[str, Any] = {**read.facts, "certificate_type_code": self.definition.code}
        try:
            draft = parse_draft(facts)
        except InvalidDraftError as refused:
            return self._refused(read.row, refused.errors)
        errors = [*self._zeros(draft), *self._again(read.row)]
        files, faulty = self._files(read.files)
        errors += faulty
        return self._refused(read.row, errors) if errors else ChunkRow(read.row, draft, files=files)

    def _refused(self, row: int, errors: Sequence[FieldError]) -> ChunkRow:
        return ChunkRow(row, None, tuple(map(self.tell, errors)))

    def _zeros(self, draft: CertificateDraft) -> list[FieldError]:
        """A number that lacks nothing but zeros at its beginning was a number to a spreadsheet."""
        pattern, number, usual = self.definition.number_pattern, draft.number, self.numbers.zero_length
        if pattern is None or not number.isdigit():
            return []
        if usual is not None and 0 < usual - len(number) <= _MOST_ZEROS:
            return _zeros_lost(number, usual - len(number))
        if pattern.fullmatch(number):
            return []
        zeros = next((count for count in range(1, _MOST_ZEROS + 1) if pattern.fullmatch("0" * count + number)), 0)
        return _zeros_lost(number, zeros) if zeros else []

    def _again(self, row: int) -> list[FieldError]:
        first = self.numbers.twice.get(row)
        if first is None:
            return []
        message = f"与本文件第 {first} 行的证照编号（及版本）相同；每张证照只写一行"
        return [FieldError("certificate_number", "twice_in_file", message)]

    def _files(self, names: Sequence[str]) -> tuple[tuple[AttachedFile, ...], list[FieldError]]:
        if not names:
            return (), []
        if self.attachments is None:
            message = "本行写了附件，但没有随表格上传 ZIP；请一并上传，或清空该列"
            return (), [FieldError("files", "no_attachments", message)]
        if len(names) > MAX_ATTACHED:
            return (), [FieldError("files", "too_many_files", f"附件最多 {MAX_ATTACHED} 个")]
        files: list[AttachedFile] = []
        errors: list[FieldError] = []
        for name in names:
            try:
                files.append(AttachedFile(name.replace("\\", "/").rsplit("/", 1)[-1], self._stored(name).sha256))
            except AttachmentError as wrong:
                errors.append(FieldError("files", wrong.reason, wrong.message))
            except LimitError as wrong:
                errors.append(FieldError("files", wrong.reason, f"“{name[:60]}”：{wrong.message}"))
        return tuple(files), errors

    def _stored(self, name: str) -> StoredFile:
        known = self.stored.get(name)
        if known is None:
            assert self.attachments is not None
            with self.attachments.open(self.attachments.find(name)) as chunks:
                known = self.stored[name] = self.store(chunks)
        return known


def _zeros_lost(number: str, zeros: int) -> list[FieldError]:
    message = f"“{number}”开头的 {zeros} 个 0 可能已被表格软件去掉；请设为文本格式后重新填写"
    return [FieldError("certificate_number", "leading_zeros_lost", message)]


def survey(rows: Iterable[SheetRow], layout: Layout) -> Numbers:
    """Look at the numbers of all rows."""
    number_place, version_place = layout.place_of("certificate_number"), layout.place_of("certificate_version")
    first: dict[tuple[str, str], int] = {}
    twice: dict[int, int] = {}
    lengths: Counter[tuple[int, bool]] = Counter()
    for row in rows:
        number = _text(row, number_place, layout)
        if number is not None:
            plain = normalise_number(number)
            lengths[len(plain), plain.isdigit() and plain[0] == "0"] += 1
            earlier = first.setdefault((plain, _text(row, version_place, layout) or FIRST_VERSION), row.number)
            if earlier != row.number:
                twice[row.number] = earlier
    ((length, has_zero), count), *_ = lengths.most_common(1) or [((0, False), 0)]
    nearly_all = has_zero and count >= _NEARLY_ALL * sum(lengths.values())
    return Numbers(twice, length if nearly_all else None)


def named_files(rows: Iterable[SheetRow], layout: Layout) -> Iterator[str]:
    """Every name of a file that the rows attach."""
    place = layout.place_of("files")
    for row in rows:
        value = _value(row, place, layout)
        if isinstance(value, Sequence):
            yield from value


def unnamed_note(paths: Sequence[str]) -> str:
    """What to say of files in the ZIP that no row names."""
    shown = "、".join(path[:_NAME_CHARS] for path in paths[:_NAMES_SHOWN])
    more = "等" if len(paths) > _NAMES_SHOWN else ""
    return f"ZIP 中有 {len(paths)} 个文件没有任何一行写到，未登记：{shown}{more}。请核对“附件”列。"


def _text(row: SheetRow, place: int | None, layout: Layout) -> str | None:
    value = _value(row, place, layout)
    return value if isinstance(value, str) else None


def _value(row: SheetRow, place: int | None, layout: Layout) -> object:
    if place is None or place >= len(row.cells):
        return None
    try:
        return value_of(row.cells[place], layout.places[place][1])
    except CellError:
        return None
