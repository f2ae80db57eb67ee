"""The files that departments hand in: five types from four departments, as CSV (UTF-8, GB 18030) and XLSX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from openpyxl import Workbook

from api.demo.people import citizen_number, company_code, company_name, credit_code, person_name

MARKET = credit_code("11310105", "MB9T00105")
DISABLED = credit_code("13310105", "MB9T00101")
CIVIL = credit_code("11310105", "MB9T00102")
BUILDING = credit_code("11310105", "MB9T00103")
WINDOW = "12310105MB9T00038A"
STREET = credit_code("11310105", "MB9T00104")

DEPARTMENTS = {
    MARKET: ("上海市长宁区市场监督管理局（示例）", "区市场监管局"),
    DISABLED: ("上海市长宁区残疾人联合会（示例）", "区残联"),
    CIVIL: ("上海市长宁区民政局（示例）", "区民政局"),
    BUILDING: ("上海市长宁区建设和管理委员会（示例）", "区建管委"),
    WINDOW: ("上海市长宁区行政服务中心（示例）", "区行政服务中心"),
    STREET: ("上海市长宁区示例街道办事处（示例）", "示例街道"),
}

BUSINESS = "11100000MB0341032Y001"
FOOD = "11100000MB0341032Y002"
DISABILITY = "11310105MB9T00011M003"
SENIOR = "11310105MB9T00011M004"
OPERATION = "11100000000013338W032"

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A file of one department: name, bytes, type, and the printed numbers of the rows that are right."""

    department: str
    type_code: str
    name: str
    content: bytes
    numbers: tuple[str, ...]
    wrong_rows: int = 0


def handed_in() -> list[HandedIn]:
    """All files of the demo, the same every time; at least 2,000 right rows and a few wrong ones."""
    return [
        _file(MARKET, BUSINESS, "营业执照.csv", _utf8, [business_licence(number) for number in range(500)]),
        _file(MARKET, FOOD, "食品经营许可证.xlsx", _xlsx, [food_licence(number) for number in range(450)]),
        _file(
            DISABLED, DISABILITY, "残疾人证（GB18030）.csv", _gb18030, [_disability(number) for number in range(350)]
        ),
        _file(CIVIL, SENIOR, "老年优待证.xlsx", _xlsx, [_senior(number) for number in range(500)]),
        _file(BUILDING, OPERATION, "特种作业操作资格证.csv", _utf8, [_operation(number) for number in range(400)]),
    ]


def with_mistakes() -> HandedIn:
    """A file in which three of eight rows are wrong, each in its own way."""
    rows = [business_licence(number) for number in range(9000, 9008)]
    numbers = tuple(row["证照编号"] for place, row in enumerate(rows) if place not in (1, 3, 6))
    code = rows[1]["持证主体代码"]
    rows[1]["持证主体代码"] = code[:-1] + ("0" if code[-1] != "0" else "1")
    rows[3]["法定代表人（负责人、经营者）"] = ""
    rows[6]["成立日期"] = "20230229"
    return HandedIn(MARKET, BUSINESS, "营业执照（有错行）.csv", _utf8(rows), numbers, 3)


def business_licence(number: int) -> Row:
    """One row of business licences."""
    return {
        "证照编号": f"05000000{2026}{number:08d}",
        "持证主体": company_name(number),
        "持证主体代码": company_code(number),
        "证照颁发日期": "2026-03-02",
        "有效期起始": "2026-03-02",
        "有效期截止": "长期" if number % 3 else "2046-03-01",
        "主体类型": "有限责任公司（自然人投资或控股）",
        "法定代表人（负责人、经营者）": person_name(number),
        "注册资本": f"人民币 {number % 90 + 10} 万元整",
        "成立日期": "2026-03-02",
        "住所（经营场所）": f"上海市长宁区示例路 {number + 1} 号",
        "经营范围": "餐饮服务；食品销售；技术开发、技术咨询、技术服务。"
        "（依法须经批准的项目，经相关部门批准后方可开展经营活动）",
    }


def food_licence(number: int) -> Row:
    """One row of food licences; its holder holds the business licence of the same number."""
    return {
        "证照编号": f"JY2310105{number:07d}",
        "持证主体": company_name(number),
        "持证主体代码": company_code(number),
        "证照颁发日期": "2026-04-01",
        "有效期起始": "2026-04-01",
        "有效期截止": "2031-03-31",
        "法定代表人（负责人）": person_name(number),
        "住所": f"上海市长宁区示例路 {number + 1} 号",
        "经营场所": f"上海市长宁区示例路 {number + 1} 号一层",
        "主体业态": "餐饮服务经营者",
        "经营项目": "热食类食品制售、冷食类食品制售",
    }


def _disability(number: int) -> Row:
    holder = citizen_number(10_000 + number)
    return {
        "证照编号": f"{holder}{number % 7 + 1}{number % 4 + 1}",
        "持证主体": person_name(number),
        "持证主体代码": holder,
        "证照颁发日期": "2026-05-06",
        "有效期起始": "2026-05-06",
        "有效期截止": "2036-05-05",
        "性别": "女" if int(holder[16]) % 2 == 0 else "男",
        "残疾类别": ("视力残疾", "听力残疾", "言语残疾", "肢体残疾", "智力残疾", "精神残疾", "多重残疾")[number % 7],
        "残疾等级": ("一级", "二级", "三级", "四级")[number % 4],
        "住址": f"上海市长宁区示例路 {number + 1} 弄",
    }


def senior_holder(number: int) -> tuple[str, str]:
    """Name and number of the number-th holder of a senior card."""
    return person_name(number + 3), citizen_number(30_000 + number)


def _senior(number: int) -> Row:
    name, holder = senior_holder(number)
    return {
        "证照编号": f"310105{2026}{number:06d}",
        "持证主体": name,
        "持证主体代码": holder,
        "持证主体代码类型": "111",
        "证照颁发日期": "2026-06-01",
        "有效期起始": "2026-06-01",
        "有效期截止": "长期",
        "性别": "女" if int(holder[16]) % 2 == 0 else "男",
        "出生日期": f"{date(int(holder[6:10]), int(holder[10:12]), int(holder[12:14])):%Y%m%d}",
        "户籍所在区": "长宁区",
    }


def operator_number(number: int) -> str:
    """The citizen number of the number-th holder of an operation certificate."""
    return citizen_number(60_000 + number)


def visitor_number(number: int) -> str:
    """The citizen number of a visitor who holds no certificate."""
    return citizen_number(90_000 + number)


def _operation(number: int) -> Row:
    return {
        "证照编号": f"沪A01{2026}{number:06d}",
        "持证主体": person_name(number + 11),
        "持证主体代码": operator_number(number),
        "持证主体代码类型": "111",
        "证照颁发日期": "2026-07-01",
        "有效期起始": "2026-07-01",
        "有效期截止": "2028-06-30",
        "操作类别": "建筑电工",
        "准操项目": "施工现场临时用电",
        "初次领证日期": "2026-07-01",
    }


def _file(department: str, type_code: str, name: str, write: Callable[[list[Row]], bytes], rows: list[Row]) -> HandedIn:
    return HandedIn(department, type_code, name, write(rows), tuple(row["证照编号"] for row in rows))


def _csv_text(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _utf8(rows: list[Row]) -> bytes:
    return _csv_text(rows).encode()


def _gb18030(rows: list[Row]) -> bytes:
    return _csv_text(rows).encode("gb18030")


def _xlsx(rows: list[Row]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("证照")
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
