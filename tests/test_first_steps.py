"""The first hour of an administrator: what the home page asks for, until nothing is left to ask."""

from __future__ import annotations

from pathlib import Path

from api_office import PASSWORD, open_office, settings_in
from registry_house import House

from api.pages.first_steps import first_steps
from registry.accounts import service as accounts
from registry.departments import service as departments
from registry.work import REGISTRY

pytest_plugins = ("registry_fixtures",)


def open_steps(house: House) -> list[str]:
    return [step.key for step in house.see(first_steps) or [] if not step.is_done]


def test_each_step_is_done_by_what_it_asks_for_and_the_list_then_disappears(house: House) -> None:
    house.do(accounts.create_first_administrator, who=REGISTRY)
    assert open_steps(house) == ["registrar", "window", "second"]
    operator = house.do(departments.install_operator, who=REGISTRY).code
    clerk = house.do(accounts.create_staff, "lin", "林晓岚", ["registrar"], operator, who=REGISTRY).staff
    assert open_steps(house) == ["window", "second"]
    house.do(accounts.disable_staff, clerk.id, who=REGISTRY)
    assert open_steps(house) == ["registrar", "window", "second"]
    house.do(accounts.create_staff, "wang", "王其昌", ["registrar", "window"], operator, who=REGISTRY)
    house.do(accounts.create_staff, "zhao", "赵小川", ["administrator"], None, who=REGISTRY)
    assert house.see(first_steps) is None


def test_an_administrator_of_a_new_registry_is_led_and_others_are_not(tmp_path: Path) -> None:
    with open_office(settings_in(tmp_path)) as office:
        assert "开始使用" not in office.client.get("/").text
        entry = {"username": "admin", "password": PASSWORD}
        assert office.client.post("/api/v1/sessions", json=entry).status_code == 201
        page = office.client.get("/").text
        assert (
            page.index("授予颁发权限与用证权限")
            < page.index("已完成")
            < page.index("登记一个事项")
            < page.index("为发证单位建账号")
        )
        assert "登记证照" not in page
