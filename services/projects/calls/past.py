"""The sample's calls of the last months, in every later state, down to a grant that was paid out and closed.

Each step is the service layer's own, taken by its person at the moment it lies in: the transaction's `now` is moved there,
so that the hearing, the days to bid, the deadline, the sealed bids' opening by two, the challenge days and the rest are
checked as they would have been. All of it is one transaction: a load that was cut short leaves nothing half-way. The
openers' codes are the sample's, so that what is published here can be opened once it is due. One of the contracts of the
facts, on which the sample's plan rests, came out of a call here; no other is in force (awarded ones wait for signatures).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.projects.awards import contracting
from services.projects.awards import service as awards
from services.projects.awards.schemas import Bond, NewAgreement, NewChallenge
from services.projects.awards.schemas import Decision as AwardDecision
from services.projects.awards.tables import AwardRow
from services.projects.bids import keys, opening
from services.projects.bids import service as bids
from services.projects.bids.schemas import Draft as BidDraft
from services.projects.calls import asking, notices, publishing
from services.projects.calls import service as calls
from services.projects.calls.methods import Method
from services.projects.calls.schemas import Draft, Publish
from services.projects.calls.tables import CallRow, LotLineRow, NoticeRow
from services.projects.deliveries.service import amount_fen
from services.projects.grants import service as grants
from services.projects.grants.schemas import NewGrant, Review
from services.projects.grants.tables import GrantRow, MilestoneRow
from services.projects.organisations.schemas import Decision, NewApplication
from services.projects.organisations.service import apply
from services.projects.organisations.service import decide as admit
from services.projects.payments import service as payments
from services.projects.payments.schemas import Paying
from services.projects.payments.tables import ClaimRow
from services.projects.scoring import service as scoring
from services.projects.scoring.schemas import Declaration, NamedScorer, Scores
from shared.clock import instant, wall_day
from shared.contracts.codes import ContractUnit, Role, ScopeKind, ServiceKind
from shared.database.work import Work
from shared.ids import derived_id, new_id
from shared.sample import City, sample_code
from shared.sample.facts import Contract
from shared.sample.people import id_number
from shared.security.caller import Caller, Membership

BIDDERS = (
    ("银杏为老服务中心", "52321081MJ0071100E", "何文兰", date(1968, 5, 4)),
    ("清源社会工作服务社", "52321081MJ0072100M", "许志远", date(1979, 9, 12)),
    ("仪扬公益服务中心", "52321081MJ0073100W", "陆佳慧", date(1985, 2, 27)),
)
HOUR_FEN = 4500
UNITS = 400_000  # 4,000 hours
GRANT_FEN = 5_000_000
BEGAN = -170  # the first day of all this, from today, but for the year's contract
OPENERS = ("bureau3", "bureau4")


@dataclass(frozen=True, slots=True)
class People:
    """Who does what: two of the bureau who buy, two who open, and who scores."""

    clerk: UUID
    second: UUID
    openers: tuple[UUID, UUID]
    scorers: Sequence[tuple[UUID, bool]]  # whether an expert

    @classmethod
    def of(cls, city: City) -> "People":
        bureau = [o.person.person_id for o in city.officials if o.role is Role.BUREAU]
        own, *experts = [o.person.person_id for o in city.officials if o.role is Role.SCORER][::-1]
        scorers = [(own, False), *((person, True) for person in experts)]
        return cls(bureau[0], bureau[1], (bureau[2], bureau[3]), scorers)


class Past:
    """The last months of purchases. `town_id`, `communities`: for whom is bought. `fact`: the year's contract."""

    def __init__(self, work: Work, city: City, today: date, line_id: UUID, venture_line_id: UUID) -> None:
        self.work, self.today, self.year = work, today, today.year
        self.line_id, self.venture_line_id = line_id, venture_line_id
        self.people = People.of(city)
        self.town = city.towns[0]
        self.communities = [c.community_id for c in city.communities if c.town_id == self.town.town_id]
        self.fact = city.tendered
        self.facts = [x for x in city.contract_lines if self.fact and x.contract_id == self.fact.contract_id]
        self.own = [self.fact.organisation_id] if self.fact else []
        self.starts = (self.fact.valid_from - today).days if self.fact else 0
        self.codes: dict[UUID, str] = {}

    @contextmanager
    def on(self, days: int, role: Role, who: UUID, hour: int = 10) -> Iterator[Work]:
        """The work of one person at an hour of a day, counted from today."""
        scope = (ScopeKind.ORGANISATION, who) if role is Role.DISPATCHER else (ScopeKind.CITY, None)
        person = derived_id("dispatcher", who) if role is Role.DISPATCHER else who
        work = self.work
        before = work.now, work.caller
        work.now = instant(self.today + timedelta(days=days), time(hour))
        work.caller = Caller(new_id(), person, (Membership(role, *scope),))
        yield work
        work.flush()
        work.now, work.caller = before

    def begin(self) -> None:
        """Organisations register and are admitted; two of the bureau make their opening codes."""
        began = min(BEGAN, self.starts - 85)
        for name, code, owner, born in BIDDERS:
            new = NewApplication.model_validate(
                {
                    "name": f"仪征市{name}",
                    "kind": "social_organisation",
                    "credit_code": code,
                    "phone": "0514-83410000",
                    "address": f"{self.town.name}工农路{born.day}号",
                    "controllers": [{"name": owner, "id_number": id_number(born, 901), "share": 60}],
                }
            )
            with self.on(began, Role.BUREAU, self.people.clerk) as work:
                row = apply(work, new)
                work.expected_version = row.version
                admit(work, row, Decision(holds=True))
                self.own.append(row.organisation_id)
        for person, username in zip(self.people.openers, OPENERS, strict=True):
            with self.on(began, Role.BUREAU, person) as work:
                _, self.codes[person] = keys.make_opener_key(work, person, sample_code(username))

    def published(self, name: str, body: dict[str, Any], begins: int, closes: int) -> CallRow:
        """A call that was heard, and went public eight days after it was begun; bids are due on `closes`."""
        draft = Draft.model_validate(
            {
                "theme": "elder_care",
                "beneficiaries": ["old"],
                "town_id": self.town.town_id,
                "gate_number": f"准入〔{self.year}〕{-begins}号",
                "gate_day": self.today + timedelta(days=begins - 20),
                "gate_approver": "社区事务准入办公室",
                "negative_checked": True,
                **body,
            }
        )
        with self.on(begins, Role.BUREAU, self.people.clerk) as work:
            row = calls.draft(work, draft, call_id=derived_id("call", self.year, name))
            work.expected_version = row.version
            publishing.consult(work, row, None)
        with self.on(begins + 8, Role.BUREAU, self.people.clerk) as work:
            work.expected_version = row.version
            due = instant(self.today + timedelta(days=closes), time(9, 30))
            publishing.publish(work, row, Publish(deadline_at=due, opener_ids=list(self.people.openers)))
        return row

    def services(self, title: str, kind: ServiceKind, method: Method, starts: int) -> dict[str, Any]:
        """A year of a service by the hour."""
        ceiling = UNITS * HOUR_FEN // 100
        line = {
            "name": title,
            "kinds": [kind],
            "community_ids": self.communities,
            "unit": ContractUnit.HOUR,
            "units": UNITS,
            "unit_ceiling_fen": HOUR_FEN,
        }
        return {
            "title": f"{self.town.name}{title}采购",
            "method": method,
            "description": f"为高龄、独居老人提供{title}，固定服务人员，服务前后报平安",
            "budget_line_id": self.line_id,
            "ceiling_fen": ceiling,
            "lots": [self.lot(title, ceiling, starts, [line])],
            "criteria": [
                {"name": "报价", "kind": "price", "weight": 20, "guide": "最低报价除以报价"},
                {"name": "服务方案", "kind": "quality", "weight": 80, "guide": "完整、可行、有针对性"},
            ],
        }

    def venture(self, title: str, starts: int, days: int = 365) -> dict[str, Any]:
        """A community venture (公益创投) of one grant."""
        return {
            "title": f"{self.town.name}公益创投：{title}",
            "method": Method.VENTURE,
            "description": f"{title}，由社会组织申报，志愿者参与",
            "budget_line_id": self.venture_line_id,
            "ceiling_fen": GRANT_FEN,
            "lots": [self.lot(title, GRANT_FEN, starts, [], days)],
            "criteria": [
                {"name": "需求和方案", "kind": "quality", "weight": 60, "guide": "受益人明确，做法可行"},
                {"name": "团队和预算", "kind": "quality", "weight": 40, "guide": "有经验，花得合理"},
            ],
        }

    def lot(
        self, name: str, ceiling: int, starts: int, lines: list[dict[str, Any]], days: int = 365
    ) -> dict[str, Any]:
        first = self.today + timedelta(days=starts)
        last = first + timedelta(days=days - 1)
        return {"name": name, "ceiling_fen": ceiling, "valid_from": first, "valid_to": last, "lines": lines}

    def bid(self, row: CallRow, day: int, *prices: int | Callable[[LotLineRow], int], first: int = 0) -> None:
        """One organisation after the other writes its bid, seals it and hands it in. A price is of each line, or by line."""
        [lot] = calls.lots(self.work, row.call_id)
        lines = calls.lines(self.work, [lot.lot_id]).get(lot.lot_id, [])
        for at, (organisation_id, price) in enumerate(zip(self.own[first:], prices, strict=False)):
            body = BidDraft.model_validate(
                {
                    "prices": [
                        {
                            "lot_line_id": x.lot_line_id,
                            "unit_price_fen": price(x) if callable(price) else price,
                        }
                        for x in lines
                    ],
                    "asked_fen": None if lines else price,
                    "plan": "每周上门，由固定的服务人员负责，服务前后电话报平安",
                    "capacity": f"专职人员 {6 + 2 * at} 人，做过同类项目",
                }
            )
            with self.on(day, Role.DISPATCHER, organisation_id, 11 + at) as work:
                bid, _ = bids.begin(work, lot, organisation_id)
                work.expected_version = bid.version
                bids.write(work, bid, body)
                work.expected_version = bid.version
                bids.submit(work, bid, alone=True)

    def open(self, row: CallRow, day: int) -> None:
        """Two of the bureau type their codes."""
        for person in self.people.openers:
            with self.on(day, Role.BUREAU, person) as work:
                opening.give(work, row, person, self.codes[person])

    def score(self, row: CallRow, day: int, people: int, ready: int | None = None) -> None:
        """A committee is named and scores; `ready`: how many have handed in, all when nobody says."""
        named = self.people.scorers[:people]
        with self.on(day - 1, Role.BUREAU, self.people.clerk, 14) as work:
            scoring.name(work, row, [NamedScorer(person_id=p, expert=e) for p, e in named])
        wanted = scoring.quality(self.work, row.call_id)
        for nth, (person, _) in enumerate(named[:ready]):
            with self.on(day, Role.SCORER, person) as work:
                assert work.caller is not None
                scoring.declare(work, row, work.caller, Declaration(conflict=False))
                for bid in scoring.standing(work, row.call_id):
                    points = 8800 - 400 * self.own.index(bid.organisation_id) + 100 * nth
                    given = [
                        {"criterion_id": c.criterion_id, "points": points, "sentence": "方案具体，人员固定"}
                        for c in wanted
                    ]
                    scoring.score(work, row, bid.bid_id, person, Scores.model_validate({"scores": given}))
                scoring.finish(work, row, person)

    def award(self, row: CallRow, day: int) -> AwardRow:
        """By rank, and public the same day."""
        [lot] = calls.lots(self.work, row.call_id)
        with self.on(day, Role.BUREAU, self.people.clerk) as work:
            [won] = awards.decide(work, row, AwardDecision(lot_id=lot.lot_id))
        self.tell(day)
        return won

    def tell(self, day: int) -> None:
        """All that is due becomes public."""
        with self.on(day, Role.BUREAU, self.people.clerk, 15) as work:
            for notice in work.session.scalars(select(NoticeRow).where(NoticeRow.published_at.is_(None))):
                notices.publish(work, notice)

    def grant(self, won: AwardRow, day: int, number: str, title: str, dues: Sequence[int]) -> GrantRow:
        """A grant of four milestones, the first of which is paid at its start."""
        kinds = (
            ("start", "启动"),
            ("step", "招募和培训志愿者"),
            ("midterm", "中期评估"),
            ("final", "结项报告"),
        )
        share = won.price_fen // 4
        sums = (won.price_fen - 3 * share, share, share, share)
        milestones = [
            {"kind": kind, "title": named, "due_on": self.today + timedelta(days=due), "amount_fen": fen}
            for (kind, named), due, fen in zip(kinds, dues, sums, strict=True)
        ]
        new = NewGrant.model_validate({"number": number, "title": title, "milestones": milestones})
        with self.on(day, Role.BUREAU, self.people.clerk) as work:
            row = grants.start(work, won, new)
        self.pay(row, 0, day + 1)
        return row

    def pay(self, row: GrantRow, place: int, day: int) -> None:
        milestone = grants.milestones(self.work, row.grant_id)[place]
        paid_on = self.today + timedelta(days=day)
        with self.on(day, Role.BUREAU, self.people.second) as work:
            body = Paying(reference=f"{paid_on:%Y%m%d}-{place + 1:02d}", paid_on=paid_on)
            grants.pay(work, row, milestone, body)
        self.tell(day)

    def reach(self, row: GrantRow, place: int, day: int, evidence: str) -> None:
        """A milestone is handed in, found good, and paid by somebody else."""
        milestone: MilestoneRow = grants.milestones(self.work, row.grant_id)[place]
        with self.on(day, Role.DISPATCHER, row.organisation_id) as work:
            grants.hand_in(work, row, milestone, evidence)
        with self.on(day + 1, Role.BUREAU, self.people.clerk) as work:
            grants.review(work, row, milestone, Review(passed=True, review="现场核实，与签到和照片一致"))
        self.pay(row, place, day + 2)


def load_past(work: Work, city: City, today: date, line_id: UUID, venture_line_id: UUID) -> None:
    """Load what was bought in the last months, unless it is there."""
    past = Past(work, city, today, line_id, venture_line_id)
    if work.session.get(CallRow, derived_id("call", past.year, "grant closed")) is not None:
        return
    past.begin()
    if past.fact is not None:
        _in_force(past, past.fact)
    archived = _closed(past, "grant archived", "老年餐桌", 3)
    with past.on(-14, Role.BUREAU, past.people.clerk) as work:
        calls.archive(work, archived)
    _closed(past, "grant closed", "银龄互助", 1)
    _running(past)
    _void_and_terminated(past)
    _evaluated(past)
    _published(past)


def _in_force(past: Past, fact: Contract) -> None:
    """The year's home services, tendered openly before it began: the contract that the facts know, with their lines."""
    named = {line.name: line for line in past.facts}
    lines = [
        {
            "name": line.name,
            "kinds": sorted(line.kinds),
            "community_ids": sorted(line.community_ids),
            "unit": line.unit,
            "rounding_minutes": line.rounding_minutes,
            "wasted_trip": line.wasted_trip,
            "units": line.ceiling,
            "unit_ceiling_fen": line.unit_price_fen * 11 // 10,
        }
        for line in past.facts
    ]
    ceiling = sum(amount_fen(x.ceiling, x.unit_price_fen * 11 // 10) for x in past.facts)
    title = "居家养老服务"
    body = past.services(title, ServiceKind.CARE, Method.OPEN_TENDER, past.starts)
    lot = past.lot(title, ceiling, past.starts, lines, (fact.valid_to - fact.valid_from).days + 1)
    body |= {"ceiling_fen": ceiling, "lots": [lot], "performance_bond_percent": 5}
    day = past.starts
    row = past.published("in force", body, day - 80, day - 50)
    past.bid(
        row,
        day - 54,
        lambda x: named[x.name].unit_price_fen,
        lambda x: x.unit_ceiling_fen,
        lambda x: x.unit_ceiling_fen - 10,
    )
    past.open(row, day - 49)
    past.score(row, day - 47, 5)
    won = past.award(row, day - 46)
    agreed = NewAgreement(number=fact.number, title=fact.title)
    [won_lot] = calls.lots(past.work, row.call_id)
    line_ids = {
        x.lot_line_id: named[x.name].line_id for x in calls.lines(past.work, [won_lot.lot_id])[won_lot.lot_id]
    }
    with past.on(day - 33, Role.BUREAU, past.people.clerk) as work:
        contracting.draw_up(work, won, agreed, fact.contract_id, line_ids)
    sha256 = contracting.agreement(past.work, fact.contract_id).sha256
    with past.on(day - 20, Role.DISPATCHER, fact.organisation_id) as work:
        contracting.sign(work, fact.contract_id, "organisation", sha256)
    with past.on(day - 20, Role.BUREAU, past.people.clerk, 11) as work:
        contracting.sign(work, fact.contract_id, "bureau", sha256)
        held = Bond(what="received", on=past.today + timedelta(days=day - 20))
        contracting.bond(work, fact.contract_id, held)
    past.tell(day - 20)


def _closed(past: Past, name: str, title: str, number: int) -> CallRow:
    """A venture whose grant was paid out: its call is closed."""
    body = past.venture(title, -112, 100)
    row = past.published(name, body, -168, -144)
    past.bid(row, -150, 4_800_000, 5_000_000, first=1)
    past.open(row, -143)
    past.score(row, -141, 5)
    won = past.award(row, -140)
    made = past.grant(won, -112, f"仪公创〔{past.year}〕{number}号", title, (-110, -90, -60, -16))
    past.reach(made, 1, -92, "招募志愿者 24 名，培训两次")
    past.reach(made, 2, -64, "助餐点三处开业，供餐 3,200 人次")
    past.reach(made, 3, -20, "供餐 7,900 人次，满意 96%")
    with past.on(-16, Role.BUREAU, past.people.clerk) as work:
        work.expected_version = made.version
        grants.complete(work, made, "按约定完成，受益老人 120 位，结项合格")
    past.tell(-15)
    return row


def _running(past: Past) -> None:
    """A venture whose grant runs: its call is signed."""
    row = past.published("grant running", past.venture("独居老人结对", -22), -80, -55)
    past.bid(row, -60, 4_200_000)
    past.open(row, -54)
    past.score(row, -52, 5)
    made = past.grant(
        past.award(row, -51), -23, f"仪公创〔{past.year}〕2号", "独居老人结对", (-20, 30, 150, 330)
    )
    with past.on(-5, Role.DISPATCHER, made.organisation_id) as work:
        grants.hand_in(work, made, grants.milestones(work, made.grant_id)[1], "结对 36 户，培训志愿者 40 名")


def _void_and_terminated(past: Past) -> None:
    body = past.services("家庭康复", ServiceKind.REHABILITATION, Method.OPEN_TENDER, 40)
    row = past.published("void", body, -62, -32)
    past.bid(row, -40, 4400, 4300)  # a tender needs three
    past.open(row, -31)
    body = past.services("手机辅导", ServiceKind.DIGITAL, Method.CONSULTATION, 40)
    row = past.published("terminated", body, -34, -14)
    with past.on(-18, Role.BUREAU, past.people.clerk) as work:
        calls.end(work, row, "terminated", "志愿者队伍已经承接，不再需要购买")


def _evaluated(past: Past) -> None:
    """Consultations that closed two weeks ago: scored in part, scored, awarded with its contract drawn up, and challenged."""

    def opened(name: str, title: str, kind: ServiceKind, *prices: int) -> CallRow:
        row = past.published(name, past.services(title, kind, Method.CONSULTATION, 45), -34, -15)
        past.bid(row, -17, *prices)
        past.open(row, -14)
        return row

    past.score(opened("opened", "家务服务", ServiceKind.CLEANING, 4100, 4000, 4300), -12, 3, 1)
    past.score(opened("scored", "小修小补", ServiceKind.REPAIR, 4200, 4100, 4000), -12, 3)
    drawn = opened("awarded", "用药提醒", ServiceKind.MEDICATION, 3900, 4000, 4200)
    past.score(drawn, -12, 3)
    won = past.award(drawn, -11)
    with past.on(-3, Role.BUREAU, past.people.clerk) as work:
        agreed = NewAgreement(number=f"仪民购〔{past.year}〕101号", title=f"{drawn.title}合同")
        contracting.draw_up(work, won, agreed)
    contested = opened("challenged", "陪伴服务", ServiceKind.COMPANIONSHIP, 4000, 3800, 4100)
    past.score(contested, -12, 3)
    won = past.award(contested, -11)
    loser = next(o for o in past.own if o != won.organisation_id)
    with past.on(-4, Role.DISPATCHER, loser) as work:
        said = NewChallenge(organisation_id=loser, lot_id=won.lot_id, text="价格分的计算请说明")
        awards.challenge(work, contested, said)


def _published(past: Past) -> None:
    body = past.services("上门理发", ServiceKind.HAIRCUT, Method.OPEN_TENDER, 60)
    row = past.published("published", body, -11, 19)
    with past.on(-2, Role.DISPATCHER, past.own[0]) as work:
        asked = asking.ask(work, row, past.own[0], "服务时段是否包括周末？")
    with past.on(-1, Role.BUREAU, past.people.clerk) as work:
        asking.answer_question(work, asked.question_id, "包括，每周至少一个半天")
    past.bid(row, -1, 4400, 4300, 4200, first=1)


def pay_delivered(work: Work, city: City) -> None:
    """What was accepted by now under the tendered contract is claimed, checked and paid, once; each by another person."""
    fact, people = city.tendered, People.of(city)
    if (
        fact is None
        or work.session.scalars(
            select(ClaimRow.claim_id).where(ClaimRow.contract_id == fact.contract_id).limit(1)
        ).first()
    ):
        return
    row = payments.bought(work, fact.contract_id)
    today = wall_day(work.now)
    if not payments.claimable(work, row, today.replace(day=1)):
        return

    def acts(role: Role, who: UUID, scope: ScopeKind = ScopeKind.CITY, scope_id: UUID | None = None) -> None:
        work.flush()
        work.caller = Caller(new_id(), who, (Membership(role, scope, scope_id),))

    dispatcher = next(d.person for d in city.dispatchers if d.organisation_id == fact.organisation_id)
    acts(Role.DISPATCHER, dispatcher.person_id, ScopeKind.ORGANISATION, fact.organisation_id)
    claim = payments.claim(work, fact.contract_id, today.replace(day=1))
    acts(Role.BUREAU, people.clerk)
    payments.check(work, claim)
    acts(Role.BUREAU, people.second)
    paid = payments.pay(work, claim, Paying(reference=f"{today:%Y%m%d}-01", paid_on=today))
    notice = select(NoticeRow).where(NoticeRow.kind == "payment", NoticeRow.about_id == paid.payment_id)
    notices.publish(work, work.session.scalars(notice).one())
    work.flush()
    work.caller = None
