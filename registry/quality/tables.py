"""What departments say they should have issued."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, TypeCodeText, UsccText, UtcDateTime


class IssueReport(Base):
    """How many certificates of a type a department should have issued in a month, from its case results."""

    __tablename__ = "issue_reports"

    type_code: Mapped[str] = mapped_column(TypeCodeText, ForeignKey("certificate_types.code"), primary_key=True)
    department: Mapped[str] = mapped_column(UsccText, primary_key=True)
    #: The first day of the month.
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    should_issue: Mapped[int] = mapped_column(Integer)
    #: What was counted, such as the system of cases.
    source: Mapped[str] = mapped_column(String(100))
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reported_by: Mapped[str] = mapped_column(String(64))
