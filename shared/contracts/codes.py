"""The field's vocabulary: codes that more than one service speaks. Chinese terms in docs/glossary.md."""

from enum import StrEnum


class Role(StrEnum):
    BUREAU = "bureau"  # 民政局
    TOWN = "town"  # 镇、街道
    COMMUNITY = "community"  # 社区
    GRID_WORKER = "grid_worker"  # 网格员
    SOCIAL_WORKER = "social_worker"  # 社工
    CENTRE_STAFF = "centre_staff"  # 日间照料中心工作人员
    ORGANISATION_STAFF = "organisation_staff"  # 护理员
    DISPATCHER = "dispatcher"  # 社会组织调度
    VOLUNTEER = "volunteer"  # 志愿者
    RESIDENT = "resident"  # 居民
    FAMILY = "family"  # 家属
    PLANNER = "planner"  # 计划员
    AUDITOR = "auditor"  # 审计
    SCORER = "scorer"  # 评审专家


class ScopeKind(StrEnum):
    """What a membership reaches. A wider scope holds the narrower ones within it."""

    CITY = "city"
    TOWN = "town"
    COMMUNITY = "community"
    CELL = "cell"
    CENTRE = "centre"
    ORGANISATION = "organisation"
    PERSON = "person"  # the holder, or for family the resident in their care


class Capacity(StrEnum):
    """In what capacity a visit is done: it decides the ledger, never the person (8.2)."""

    VOLUNTEER = "volunteer"  # 志愿
    EMPLOYED = "employed"  # 受雇
    STIPENDED = "stipended"  # 补贴值守


class Channel(StrEnum):
    """By whom a need may be met (implementation opinion 2016, 一)."""

    PUBLIC_DIRECT = "public_direct"  # 公办直接
    PUBLIC_PURCHASED = "public_purchased"  # 政府购买
    MARKET = "market"  # 市场
    VOLUNTEER = "volunteer"  # 志愿


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"


class Grade(StrEnum):
    """Ability grade (GB/T 42195-2022)."""

    INTACT = "intact"  # 完好
    MILD = "mild"  # 轻度
    MODERATE = "moderate"  # 中度
    SEVERE = "severe"  # 重度
    TOTAL = "total"  # 完全失能
    UNKNOWN = "unknown"  # 未评估或未同意


class Urgency(StrEnum):
    ROUTINE = "routine"  # 一般
    SOON = "soon"  # 较急
    URGENT = "urgent"  # 紧急


class Skill(StrEnum):
    COMPANIONSHIP = "companionship"  # 陪伴聊天
    MEAL = "meal"  # 送餐助餐
    CLEANING = "cleaning"  # 家务保洁
    BATHING = "bathing"  # 助浴
    CARE = "care"  # 生活照料
    NURSING = "nursing"  # 护理
    MEDICATION = "medication"  # 用药提醒
    ESCORT = "escort"  # 陪诊
    REHABILITATION = "rehabilitation"  # 康复
    HAIRCUT = "haircut"  # 理发
    REPAIR = "repair"  # 维修
    DIGITAL = "digital"  # 智能手机辅导
    SIGN_LANGUAGE = "sign_language"  # 手语
    COUNSELLING = "counselling"  # 心理慰藉
    SOCIAL_WORK = "social_work"  # 社会工作


class Licence(StrEnum):
    CARE_WORKER = "care_worker"  # 养老护理员证
    NURSE = "nurse"  # 护士执业证
    SOCIAL_WORKER = "social_worker"  # 社会工作者职业资格证
    REHABILITATION = "rehabilitation"  # 康复治疗师证


class Dialect(StrEnum):
    MANDARIN = "mandarin"  # 普通话
    JIANGHUAI = "jianghuai"  # 江淮官话
    WU = "wu"  # 吴语
    CANTONESE = "cantonese"  # 粤语


class TravelMode(StrEnum):
    WALK = "walk"
    BICYCLE = "bicycle"
    EBIKE = "ebike"
    BUS = "bus"
    CAR = "car"


class Limit(StrEnum):
    """What a carer declares not to do: a limit, never a diagnosis (8.3)."""

    LIFTING = "lifting"
    STAIRS = "stairs"


class VisitStatus(StrEnum):
    """Daycare's own part of a visit's life; what the matcher knows comes from its staffing."""

    OPEN = "open"  # to be planned, or planned
    SUSPENDED = "suspended"  # the resident is absent (8.7)
    STARTED = "started"  # somebody checked in
    ENDED = "ended"  # has an outcome
    CANCELLED = "cancelled"


class SlotState(StrEnum):
    """Where one slot of a visit stands."""

    PROPOSED = "proposed"  # in a plan that is not published
    OFFERED = "offered"  # 已邀请
    ACCEPTED = "accepted"  # 已答应
    ROSTERED = "rostered"  # 已排定: contract staff, no offer (8.16)
    DECLINED = "declined"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    RELEASED = "released"


LIVE_SLOTS = frozenset({SlotState.OFFERED, SlotState.ACCEPTED, SlotState.ROSTERED})
HELD_SLOTS = frozenset({SlotState.ACCEPTED, SlotState.ROSTERED})


class Outcome(StrEnum):
    """How a visit ended: one of these (8.9)."""

    DONE = "done"  # 完成
    CUT_SHORT = "cut_short"  # 提前结束
    NO_ANSWER = "no_answer"  # 无人应答
    REFUSED = "refused"  # 老人谢绝
    UNWELL = "unwell"  # 身体不适
    CARER_ABSENT = "carer_absent"  # 服务人员未到
    CANCELLED = "cancelled"


SERVED_OUTCOMES = frozenset({Outcome.DONE, Outcome.CUT_SHORT})
WASTED_OUTCOMES = frozenset({Outcome.NO_ANSWER, Outcome.REFUSED, Outcome.UNWELL})


class ServiceKind(StrEnum):
    """The service catalogue's codes."""

    MEAL = "meal"  # 送餐
    CARE = "care"  # 生活照料
    BATHING = "bathing"  # 助浴
    CLEANING = "cleaning"  # 家务
    ESCORT = "escort"  # 陪诊
    COMPANIONSHIP = "companionship"  # 陪伴
    PHONE_CALL = "phone_call"  # 电话问候
    MEDICATION = "medication"  # 用药提醒
    REHABILITATION = "rehabilitation"  # 康复
    HAIRCUT = "haircut"  # 理发
    REPAIR = "repair"  # 小修
    DIGITAL = "digital"  # 手机辅导
    SOCIAL_WORK = "social_work"  # 社工探访


class DayPart(StrEnum):
    """How volunteers state availability: by part of day."""

    MORNING = "morning"  # 08:00-12:00
    AFTERNOON = "afternoon"  # 12:00-18:00
    EVENING = "evening"  # 18:00-21:00


DAY_PART_MINUTES: dict[DayPart, tuple[int, int]] = {
    DayPart.MORNING: (8 * 60, 12 * 60),
    DayPart.AFTERNOON: (12 * 60, 18 * 60),
    DayPart.EVENING: (18 * 60, 21 * 60),
}


class ContractUnit(StrEnum):
    VISIT = "visit"  # 次
    HOUR = "hour"  # 小时
    PERSON_TIME = "person_time"  # 人次


class UnmetReason(StrEnum):
    """The step of the funnel at which a visit ran out of carers (8.12, pages.md picture 3)."""

    NO_SKILL = "no_skill"  # nobody in reach has the skill or licence
    NO_CLEARANCE = "no_clearance"  # nobody cleared for it: insurance, lone-visit clearance, declared limits
    NOT_AVAILABLE = "not_available"  # nobody is free then
    TOO_FAR = "too_far"  # nobody reaches the place
    NO_UNITS = "no_units"  # no contract line has units left
    ALL_BUSY = "all_busy"  # all who could are better used elsewhere
    WISHES = "wishes"  # hard wishes, blocks and refusals leave nobody
    NOT_PLACED = "not_placed"  # the resident's address is not placed on the map
