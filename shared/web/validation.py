"""What pydantic finds wrong, said as a sentence that tells what to do."""

from typing import Any

from shared.web.language import translate

PHONE = r"^(1[3-9]\d{9}|0\d{2,3}-?\d{7,8})$"

_FORMS = {PHONE: "请写 11 位手机号，或带区号的座机号。"}
_SENTENCES = {
    "missing": "请填写此项。",
    "extra_forbidden": "不认识这一项。",
    "string_too_short": "至少填写 {min_length} 个字。",
    "string_too_long": "最多 {max_length} 个字。",
    "string_type": "此项应为文字。",
    "string_pattern_mismatch": "格式不对。",
    "int_type": "此项应为整数。",
    "int_parsing": "此项应为整数。",
    "int_from_float": "此项应为整数。",
    "float_type": "此项应为数字。",
    "float_parsing": "此项应为数字。",
    "finite_number": "此项应为数字。",
    "bool_type": "请选择是或否。",
    "bool_parsing": "请选择是或否。",
    "greater_than": "应大于 {gt}。",
    "greater_than_equal": "不能小于 {ge}。",
    "less_than": "应小于 {lt}。",
    "less_than_equal": "不能大于 {le}。",
    "enum": "请从列出的选项中选择。",
    "literal_error": "请从列出的选项中选择。",
    "uuid_parsing": "编号格式不对。",
    "uuid_type": "编号格式不对。",
    "date_parsing": "日期格式应为 2026-11-24。",
    "date_type": "日期格式应为 2026-11-24。",
    "date_from_datetime_parsing": "日期格式应为 2026-11-24。",
    "time_parsing": "时间格式应为 14:00。",
    "datetime_parsing": "时间应写明日期、时刻和时区。",
    "datetime_from_date_parsing": "时间应写明日期、时刻和时区。",
    "timezone_aware": "时间应写明时区。",
    "list_type": "此项应为列表。",
    "too_long": "最多 {max_length} 项。",
    "too_short": "至少 {min_length} 项。",
    "json_invalid": "请求的内容不是有效的 JSON。",
    "model_attributes_type": "请求的内容格式不对。",
    "dict_type": "请求的内容格式不对。",
}


def sentence(lang: str, kind: str, context: dict[str, Any], fallback: str) -> str:
    """The sentence for one fault. Our own value errors carry theirs; an unknown kind says the format is wrong."""
    if kind == "value_error":
        return translate(lang, fallback.removeprefix("Value error, "))
    text = _FORMS.get(str(context.get("pattern"))) or _SENTENCES.get(kind, "格式不对。")
    return translate(lang, text, **{k: v for k, v in context.items() if isinstance(v, str | int | float)})
