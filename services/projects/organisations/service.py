"""Organisations: registered, admitted, with their papers and who controls them."""

from uuid import UUID

from dateutil.relativedelta import relativedelta

from services.projects.organisations.schemas import NewOrganisation
from services.projects.organisations.tables import OrganisationRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.problems import NotFound


def add_organisation(
    work: Work, new: NewOrganisation, organisation_id: UUID | None = None
) -> OrganisationRow:
    """Register an organisation. One that is there already under the same id is left as it is."""
    known = work.session.get(OrganisationRow, organisation_id) if organisation_id else None
    if known is not None:
        return known
    said = new.model_dump()
    if new.rating and new.rating_until is None:
        said["rating_until"] = wall_day(work.now) + relativedelta(
            years=int(rule_value("rating_years", wall_day(work.now)))
        )
    row = OrganisationRow(
        organisation_id=organisation_id or new_id(),
        state="admitted",
        refused_reason=None,
        made_at=work.now,
        **said,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("organisation.add", row.organisation_id)
    return row


def organisation(work: Work, organisation_id: UUID) -> OrganisationRow:
    """The organisation. 404 when there is none."""
    row = work.session.get(OrganisationRow, organisation_id)
    if row is None:
        raise NotFound("organisation_unknown", "没有这个组织。", field="organisation_id")
    return row
