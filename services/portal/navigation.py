"""The bar of each role, by job and not by table (pages.md, "Shell"), and where each role begins."""

from shared.web.language import _

Item = tuple[str, str, str]  # address, word, icon

CENTRE: tuple[Item, ...] = (
    ("/centre", _("今天"), "home"),
    ("/centre/needs", _("需求"), "calendar"),
    ("/centre/residents", _("老人"), "user"),
    ("/centre/people", _("人员"), "users"),
    ("/centre/calls", _("电话单"), "phone"),
)
CARER: tuple[Item, ...] = (
    ("/my", _("今天"), "home"),
    ("/my/offers", _("邀请"), "hand-helping"),
    ("/my/time", _("我的时间"), "clock"),
    ("/my/hours", _("我的时数"), "badge-check"),
)
STAFF: tuple[Item, ...] = (("/my", _("今天"), "home"), ("/my/week", _("本周"), "calendar"))
RESIDENT: tuple[Item, ...] = (
    ("/home", _("谁来"), "home"),
    ("/home/away", _("请假"), "calendar"),
    ("/home/rate", _("评价"), "smile"),
    ("/home/looked", _("谁看过"), "eye"),
)
ORGANISATION: tuple[Item, ...] = (
    ("/organisation", _("本周"), "calendar"),
    ("/organisation/staff", _("员工"), "users"),
    ("/organisation/contracts", _("合同"), "file-text"),
    ("/organisation/calls", _("招标"), "hand-helping"),
)
GRID: tuple[Item, ...] = (
    ("/grid", _("我的网格"), "home"),
    ("/grid/post", _("上报"), "plus"),
    ("/grid/open", _("待办"), "list"),
)
COMMUNITY: tuple[Item, ...] = (
    ("/grid", _("老人"), "home"),
    ("/grid/post", _("上报"), "plus"),
    ("/centre/people", _("人员"), "users"),
    ("/centre/confirm", _("确认"), "badge-check"),
    ("/centre/tasks", _("待办"), "list"),
)
PLANNER: tuple[Item, ...] = (
    ("/plan", _("待处理"), "triangle-alert"),
    ("/plan/plans", _("计划"), "calendar"),
    ("/plan/map", _("地图"), "map"),
    ("/plan/fairness", _("公平"), "scale"),
    ("/plan/rules", _("规则"), "book-open"),
    ("/plan/contracts", _("合同"), "file-text"),
)
FUNDS: Item = ("/purchases/funds", _("预算"), "badge-check")
TOWN: tuple[Item, ...] = (
    *PLANNER[:2],
    ("/centre/calls", _("电话单"), "phone"),
    ("/centre/tasks", _("待办"), "list"),
    *(item for item in PLANNER[2:] if item[0] != "/plan/rules"),
    FUNDS,
)

SCORER: tuple[Item, ...] = (("/scoring", _("我的评审"), "scale"),)

PUBLIC: tuple[Item, ...] = (
    ("/public", _("采购"), "heart-handshake"),
    ("/public/results", _("结果公开"), "badge-check"),
    ("/public/funds", _("资金使用"), "file-text"),
    ("/sign-in", _("登录"), "user"),
)

PURCHASES: Item = ("/purchases", _("采购"), "heart-handshake")
EVENTS: Item = ("/events", _("系统"), "refresh-cw")

BARS: dict[str, tuple[Item, ...]] = {
    "centre_staff": CENTRE,
    "social_worker": COMMUNITY[:2],
    "community": COMMUNITY,
    "volunteer": CARER,
    "organisation_staff": STAFF,
    "resident": RESIDENT,
    "family": RESIDENT,
    "dispatcher": ORGANISATION,
    "grid_worker": GRID,
    "planner": PLANNER,
    "bureau": (*PLANNER, PURCHASES, EVENTS),
    "town": TOWN,
    "auditor": (PLANNER[-1], FUNDS, EVENTS),
    "scorer": SCORER,
}


def bar_of(role: str | None, path: str = "") -> tuple[Item, ...]:
    """The role's bar; for who is not signed in, the public's on its pages."""
    if role is None and (path + "/").startswith("/public/"):
        return PUBLIC
    return BARS.get(role or "", ())


def home_of(role: str | None, path: str = "") -> str:
    """Where a role begins."""
    bar = bar_of(role, path)
    return bar[0][0] if bar else "/sign-in"
