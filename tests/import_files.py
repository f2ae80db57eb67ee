"""Files of business licences by the row, as departments hand them in, and what becomes of them."""

from __future__ import annotations

import csv
import hashlib
import io
import time
import zipfile
from typing import Any

import openpyxl
from api_office import ISSUER, LICENCE, Office

HEADERS = [
    "证照编号", "持证主体", "持证主体代码", "证照颁发日期", "有效期起始", "有效期截止",
    "主体类型", "法定代表人（负责人、经营者）", "成立日期", "住所（经营场所）", "经营范围",
]  # fmt: skip


def licence_row(number: int, **changes: str) -> list[str]:
    """A row that is in order; `changes` by header."""
    row = [
        f"050000002026{number:08d}", "上海长宁示例商贸有限公司", "91310105MA1FWT014B", "20260105", "2026-01-05",
        "长期", "有限责任公司", "示例甲", "2026年1月5日", "上海市长宁区示例路 1 号", "日用百货销售，食品销售",
    ]  # fmt: skip
    for header, value in changes.items():
        row[HEADERS.index(header)] = value
    return row


def csv_of(*rows: list[Any], headers: list[str] = HEADERS, encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([headers, *rows])
    return text.getvalue().encode(encoding)


def xlsx_of(*rows: list[Any], headers: list[str] = HEADERS, merge: str | None = None) -> bytes:
    book = openpyxl.Workbook()
    for row in (headers, *rows):
        book.active.append(row)
    if merge:
        book.active.merge_cells(merge)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zip_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def upload(office: Office, data: bytes, department: str = ISSUER) -> str:
    """Upload in one go; the digest."""
    headers = {"Upload-Length": str(len(data)), "Content-Type": "application/octet-stream"}
    answer = office.send(
        "PUT", f"/api/v1/uploads/{digest(data)}", "registrar", department, content=data, headers=headers
    )
    assert answer.status_code == 200 and answer.json()["complete"], answer.text
    return digest(data)


def hand_in(office: Office, data: bytes, **more: Any) -> dict[str, Any]:
    """Upload a file and put it into the queue; the job."""
    form = {"type_code": LICENCE, "file_name": "licences.csv", "sha256": upload(office, data), **more}
    answer = office.send("POST", "/api/v1/imports", "registrar", json=form)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def job_of(office: Office, job_id: str) -> dict[str, Any]:
    answer = office.send("GET", f"/api/v1/imports/{job_id}", "registrar")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def wait_for(office: Office, job_id: str, *states: str, seconds: float = 60.0) -> dict[str, Any]:
    """The job once it is in one of these states (default: done)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = job_of(office, job_id)
        if job["state"] in (states or ("done",)):
            return job
        assert job["state"] in ("reading", "waiting", "running", "undoing"), job
        time.sleep(0.05)
    raise AssertionError(f"not there in time: {job}")


def rows_of(office: Office, job_id: str, outcome: str = "refused") -> list[dict[str, Any]]:
    answer = office.send("GET", f"/api/v1/imports/{job_id}/rows?outcome={outcome}&limit=200", "registrar")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items
