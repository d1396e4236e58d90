"""Templates: Jinja2 with escaping on, the words, the times, and the reader's language."""

from datetime import date, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.portal import times, words
from services.portal.navigation import bar_of, home_of
from shared.web.language import _, translate

if TYPE_CHECKING:
    from services.portal.page import Page

_HERE = Path(__file__).parent


@cache
def environment() -> Environment:
    """The templates' environment, made once."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    made.globals.update(words=words)
    made.filters.update(
        clock=times.clock,
        wall_time=times.wall_time,
        money=times.money,
        units=times.units,
        local_input=times.local_input,
        pairs=lambda items, code, text: [(item[code], item[text]) for item in items],
    )
    return made


def repeat_words(need: dict[str, Any], today: date, lang: str) -> str:
    """每周二、周四，到 6月30日; 周四 11月26日 for a single one."""
    if not need["rrule"]:
        return times.day_words(need["first_day"], today, lang)
    parts = dict(part.partition("=")[::2] for part in need["rrule"].split(";"))
    every = {"DAILY": _("每天"), "WEEKLY": _("每周"), "MONTHLY": _("每月")}[parts["FREQ"]]
    if parts["FREQ"] == "WEEKLY" and parts.get("INTERVAL") == "2":
        every = _("每两周")
    text = translate(lang, every)
    days = [
        words.WEEKDAYS[words.RRULE_DAYS.index(d)]
        for d in parts.get("BYDAY", "").split(",")
        if d in words.RRULE_DAYS
    ]
    text += " " + "、".join(translate(lang, d) for d in days) if days else ""
    if need["last_day"]:
        text += translate(lang, _("，到 {day}"), day=times.day_words(need["last_day"], today, lang))
    return text


_CHANGES = {
    "widen_window": _("开始时间放宽 {0} 分钟"),
    "soften_dialect_wish": _("方言改为“希望”而不是“必须”"),
    "soften_sex_wish": _("性别改为“希望”而不是“必须”"),
    "one_carer": _("改为一个人来"),
    "two_carers": _("改为两个人同去"),
}


def change_words(change: list[str], lang: str) -> str:
    """The smallest change that works, as a sentence."""
    text = translate(lang, _CHANGES.get(change[0], change[0]))
    return text.format(*change[1:])


def render(template: str, page: "Page", **context: Any) -> str:
    """A page's HTML."""
    lang, today, now = page.lang, page.today, page.now
    session = page.session
    role = session.role.role.value if session and session.role else None
    path = page.request.url.path

    def word(table: dict[Any, Any], code: Any) -> str:
        value = table.get(code, code)
        return translate(lang, value[0] if isinstance(value, tuple) else str(value))

    def day(value: str | date | datetime) -> str:
        return times.day_words(value, today, lang)

    def options(table: dict[str, Any]) -> list[tuple[str, str]]:
        return [(code, word(table, code)) for code in table]

    return (
        environment()
        .get_template(template)
        .render(
            options=options,
            repeat_words=lambda need: repeat_words(need, today, lang),
            change_words=lambda change: change_words(change, lang),
            _=partial(translate, lang),
            word=word,
            day=day,
            dated=lambda value: times.dated(value, today, lang),
            when=lambda value: times.when(value, today, lang),
            span=times.span,
            left=lambda value: times.left(value, now, lang),
            duration=lambda minutes: times.duration(minutes, lang),
            weekday=lambda value: times.weekday(times.as_date(value), lang),
            lang=lang,
            today=today,
            now=now,
            me=session,
            role=role,
            bar=bar_of(role, path),
            home=home_of(role, path),
            path=path,
            here_is=page.place,
            elder=page.elder,
            csrf=session.csrf if session else "",
            flashes=session.flash if session else [],
            **{
                "problem": None,
                "values": {},
                "here": page.form.text("_page") or page.address,
                **context,
            },
        )
    )
