"""Brings the sample city in, each service its own part through its service layer, and says how to sign in."""

import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from services.declarations import service
from services.wiring import City
from shared.clock import Clock, system_clock, wall_day, week_start
from shared.messaging.relay import waiting
from shared.sample import Size, make_city, sample_code

# Projects twice: what day care tells of deliveries is paid.
ORDER = ("community", "identity", "projects", "volunteers", "daycare", "projects", "matcher")
TITLES = {
    "community": "镇、社区和网格",
    "identity": "账号",
    "projects": "社会组织和合同",
    "volunteers": "志愿者",
    "daycare": "照料中心、老人和需求",
    "matcher": "第一份计划",
}
PATIENCE_SECONDS = 600
OPENERS = ("bureau3", "bureau4")
STORY = (
    ("centre", "照料中心工作人员", "day-care centre"),
    ("volunteer", "志愿者", "volunteer"),
    ("carer", "护理员", "carer"),
    ("dispatcher", "社会组织调度", "organisation's dispatcher"),
    ("planner", "计划员", "planner"),
    ("grid", "网格员", "grid worker"),
    ("resident", "老人", "resident"),
    ("family", "家属", "family"),
    ("bureau", "民政局", "civil-affairs bureau"),
    ("bureau2", "民政局第二人，一起开标", "second of the bureau, to open bids with"),
    ("scorer", "评审专家，到 scorer5", "scorer, up to scorer5"),
    ("town", "镇", "town"),
    ("community", "社区", "community"),
    ("socialworker", "社工", "social worker"),
)


def load_sample(
    city: City, size: str, folder: Path, say: Callable[[str], None], clock: Clock = system_clock
) -> None:
    """Load the sample city unless it is there. A load that was cut short goes on where it stopped, in the same week."""
    marker = folder / "sample.json"
    known = json.loads(marker.read_text()) if marker.exists() else {}
    if known.get("done"):
        return
    size = known.get("size", size)
    monday = date.fromisoformat(known["monday"]) if known else week_start(wall_day(clock()))
    marker.write_text(json.dumps({"size": size, "monday": monday.isoformat(), "done": False}))
    facts = make_city(Size(size), 1, monday=monday)
    say(f"正在装入样例城市（{size}）… Loading the sample city.")
    for name in ORDER:
        load = service(name).load_sample
        if load is None or name not in city.databases:
            continue
        began = time.monotonic()
        _settle(city)
        load(city.databases[name], facts)
        say(f"  {TITLES[name]} {time.monotonic() - began:.1f} s")
    marker.write_text(json.dumps({"size": size, "monday": monday.isoformat(), "done": True}))


def _settle(city: City) -> None:
    """Wait until what was told so far has arrived everywhere."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not _on_the_way(city):
            return
        time.sleep(0.05)
    raise RuntimeError("what the sample's services told has not arrived everywhere")


def _on_the_way(city: City) -> bool:
    for database in city.databases.values():
        with database.work() as work:
            if waiting(work):
                return True
    return any(part.waiting for name in city.databases for part in city.bus.lag(name))


def welcome(address: str, password: str, seconds: float) -> str:
    """The address and the sample sign-ins, printed when everything answers."""
    lines = [
        "",
        f"邻里已启动（{seconds:.1f} 秒）：{address}   按 Ctrl-C 停止，数据会保留。",
        f"Linli is up ({seconds:.1f} s): {address}   Ctrl-C stops it and keeps the data.",
        "",
        f"样例账号，密码都是 {password}   Sample sign-ins, all with that password:",
        *(f"  {name:<12} {chinese}  {english}" for name, chinese, english in STORY),
        "开标码，截止以后打开样例采购的投标用   Opening codes, for the sample's bids once they are due:",
        *(f"  {name:<12} {sample_code(name)}" for name in OPENERS),
        "",
    ]
    return "\n".join(lines)
