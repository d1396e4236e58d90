"""Residents in need, and what is known of them: assessments with consent, absences, blocks, family."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from services.daycare.base import Base
from shared.contracts.codes import Dialect, Grade, Sex
from shared.database.base import Versioned


def one_of(column: str, codes: type[Dialect] | type[Grade] | type[Sex]) -> str:
    """The text of a check that holds a column to a list of codes."""
    return f"{column} IN ({', '.join(repr(code.value) for code in codes)})"


class ResidentRow(Versioned, Base):
    """A resident in need. `lon`, `lat`: WGS-84, rounded to about 100 m; the exact pin is sealed with the address.

    Sealed: name, sex, birth_date, id_number, phone, address, floor, pin, contacts [{name, relation, phone,
    person_id}], remarks. `grade` is what the newest assessment with standing consent says, else unknown (8.4).
    """

    __tablename__ = "resident"
    __table_args__ = (
        CheckConstraint(one_of("dialect", Dialect), name="dialect"),
        CheckConstraint(one_of("grade", Grade), name="grade"),
        CheckConstraint(one_of("sex_wish", Sex), name="sex_wish"),
        CheckConstraint(one_of("dialect_wish", Dialect), name="dialect_wish"),
        CheckConstraint("(lon IS NULL) = (lat IS NULL)", name="placed"),
        Index("uq_resident_id_hash", "id_hash", unique=True, postgresql_where=text("id_hash IS NOT NULL")),
        Index("ix_resident_name_hash", "name_hash"),
        Index("ix_resident_centre_id_person_id", "centre_id", "person_id"),
        Index("ix_resident_community_id_person_id", "community_id", "person_id"),
        Index("ix_resident_cell_id_person_id", "cell_id", "person_id"),
        Index("ix_resident_town_id_person_id", "town_id", "person_id"),
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    town_id: Mapped[UUID]
    community_id: Mapped[UUID]
    cell_id: Mapped[UUID | None]
    centre_id: Mapped[UUID | None] = mapped_column(ForeignKey("centre.centre_id"))
    building_id: Mapped[UUID | None]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    id_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    name_hash: Mapped[bytes] = mapped_column(LargeBinary)
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    lives_alone: Mapped[bool]
    lone_risk: Mapped[bool]
    stairs: Mapped[bool]
    dialect: Mapped[str]
    sex_wish: Mapped[str | None]
    sex_wish_hard: Mapped[bool]
    dialect_wish: Mapped[str | None]
    dialect_wish_hard: Mapped[bool]
    grade: Mapped[str]
    registered_at: Mapped[datetime]
    registered_by: Mapped[UUID | None]


class AssessmentRow(Base):
    """An assessment (GB/T 42195-2022). Without consent there is no row (8.4); withdrawn, it is kept but not used.

    Sealed: items, score, assessor, consent_by. Withdrawing consent leaves only who had agreed.
    """

    __tablename__ = "assessment"
    __table_args__ = (
        CheckConstraint(one_of("grade", Grade), name="grade"),
        CheckConstraint("consent_as IN ('self', 'family', 'guardian')", name="consent_as"),
        CheckConstraint("consent_how IN ('paper', 'spoken', 'online')", name="consent_how"),
        CheckConstraint("withdrawn_at IS NULL OR withdrawn_at >= consent_at", name="withdrawn"),
        Index("ix_assessment_person_id_day", "person_id", "day"),
    )

    assessment_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("resident.person_id"))
    day: Mapped[date]
    standard: Mapped[str]
    grade: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    consent_as: Mapped[str]
    consent_how: Mapped[str]
    consent_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    recorded_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime]


class AbsenceRow(Base):
    """Days on which a resident is not there: visits in them are suspended (8.7). No last day: until further notice."""

    __tablename__ = "absence"
    __table_args__ = (
        CheckConstraint("last_day IS NULL OR last_day >= first_day", name="days"),
        CheckConstraint("kind IN ('hospital', 'with_family', 'moved', 'deceased')", name="kind"),
        Index("ix_absence_person_id_first_day", "person_id", "first_day"),
    )

    absence_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("resident.person_id"))
    kind: Mapped[str]
    first_day: Mapped[date]
    last_day: Mapped[date | None]
    recorded_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime]


class BlockRow(Base):
    """ "Please not this person again": author and reason stay here, the carer never sees them (8.17)."""

    __tablename__ = "block"
    __table_args__ = (
        CheckConstraint("author IN ('resident', 'family', 'centre')", name="author"),
        Index(
            "uq_block_resident_id_person_id",
            "resident_id",
            "person_id",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    block_id: Mapped[UUID] = mapped_column(primary_key=True)
    resident_id: Mapped[UUID] = mapped_column(ForeignKey("resident.person_id"))
    person_id: Mapped[UUID]
    author: Mapped[str]
    author_id: Mapped[UUID | None]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]


class FamilyRow(Base):
    """A relative with an id of their own. What they may see is in their account's memberships."""

    __tablename__ = "family"

    resident_id: Mapped[UUID] = mapped_column(ForeignKey("resident.person_id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    added_by: Mapped[UUID | None]
    added_at: Mapped[datetime]
