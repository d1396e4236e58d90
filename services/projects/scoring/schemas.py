"""Scorers, scores and rankings, as they cross HTTP. Points are hundredths: 8750 is 87.50 of 100."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from services.projects.contracts.schemas import ID, example
from shared.id_numbers import IdNumber
from shared.web.schemas import Answer, Body, Instant, Text

Points = Annotated[int, Field(ge=0, le=10_000)]
Sentence = Annotated[Text, Field(min_length=2)]


class NamedScorer(Body):
    """A person to score; `expert`: not of the bureau. By the ID number, control of a bidder is found; only its hash is kept."""

    person_id: UUID
    expert: bool
    id_number: IdNumber | None = None


class Committee(Body):
    """Those who are named now; with whoever was named before they must be as many as the method asks for."""

    model_config = example(scorers=[{"person_id": ID, "expert": True}])

    scorers: Annotated[list[NamedScorer], Field(min_length=1, max_length=21)]


class Leaving(Body):
    model_config = example(reason="因病不能参加评审")

    reason: Sentence


class Declaration(Body):
    """Whether the scorer has a conflict of interest with a bidder; if so, which."""

    model_config = example(conflict=False)

    conflict: bool
    reason: Text = ""


class GivenScore(Body):
    criterion_id: UUID
    points: Points
    sentence: Sentence


class Scores(Body):
    """One scorer's points for a bid: each criterion with a sentence (8.21)."""

    model_config = example(
        scores=[{"criterion_id": ID, "points": 8750, "sentence": "方案细致，人员配备充分"}]
    )

    scores: Annotated[list[GivenScore], Field(min_length=1, max_length=50)]


class BidRefusal(Body):
    model_config = example(reason="未实质性响应：未提供护理员资格证明")

    reason: Sentence


class Scorer(Answer):
    """A scorer and how far they are; the answer to a declaration too. `left_reason`: a conflict, declared or found."""

    person_id: UUID
    expert: bool
    declared: Literal["none", "conflict"] | None
    declared_at: Instant | None
    left_at: Instant | None
    left_reason: str | None
    finished_at: Instant | None


class Scorers(Answer):
    """`missing`: what the committee still lacks of the method's rule, as a code; none where it is complete."""

    items: list[Scorer]
    least: int
    missing: str | None


class SheetCriterion(Answer):
    criterion_id: UUID
    position: int
    name: str
    kind: Literal["price", "quality"]
    weight: int
    guide: str


class SheetScore(Answer):
    person_id: UUID
    criterion_id: UUID
    points: int
    sentence: str


class SheetBid(Answer):
    """A bid to score. Price, content and scores only once one may see them."""

    bid_id: UUID
    lot_id: UUID
    organisation_id: UUID
    organisation: str
    state: str
    price_fen: int | None
    content: dict[str, Any] | None
    scores: list[SheetScore]


class Sheet(Answer):
    """What a scorer, the bureau or an auditor may see of a scoring now. `mine`: the caller's own part in it."""

    call_id: UUID
    state: str
    mine: Scorer | None
    criteria: list[SheetCriterion]
    bids: list[SheetBid]


class RankPart(Answer):
    criterion_id: UUID
    points: int


class RankedBid(Answer):
    """Where a bid came. `price_fen` and `parts` are the own ones', or anybody's for who may see them all."""

    lot_id: UUID
    bid_id: UUID
    organisation_id: UUID
    organisation: str
    rank: int | None
    total: int | None
    price_fen: int | None
    parts: list[RankPart]
    tie: str | None
    won: bool
    own: bool


class Ranking(Answer):
    call_id: UUID
    items: list[RankedBid]


class ScoringJob(Answer):
    """A call that the caller is named for."""

    call_id: UUID
    number: str | None
    title: str
    state: str
    deadline_at: Instant | None
    declared: Literal["none", "conflict"] | None
    left_at: Instant | None
    finished_at: Instant | None


class ScoringJobs(Answer):
    items: list[ScoringJob]
