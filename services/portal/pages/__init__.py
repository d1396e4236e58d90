"""The pages, an area a module.

A page is an async function on its area's router. It asks the services and renders a template:

    @ROUTER.get("/centre")
    async def today(page: Centre) -> Response:
        board = await page.get("daycare", "/board", centre_id=page.scope)
        return page.render("centre/today.html", board=board)

A form posts to its own address. What the service refuses comes back as `Problem`: render the form again with
`problem=` and `values=page.form`; after success `return await page.done("/where", page._("已保存。"))`.
Roles: `Centre = Annotated[Page, signed_in(Role.CENTRE_STAFF)]`. Macros for fields, badges and tables stand in
templates/macros.html; words for codes in words.py; the bar of a role in navigation.py.
"""

from services.portal.pages import (
    accepting,
    account,
    admitting,
    assessing,
    availability,
    bidding,
    carer,
    centre,
    desk,
    evaluating,
    events,
    fairness,
    files,
    funds,
    granting,
    grid,
    home,
    incubating,
    organisation,
    people,
    performing,
    placing,
    plan,
    public,
    purchases,
    residents,
    rules,
    scoring,
    slip,
)

ROUTERS = (
    account.ROUTER,
    centre.ROUTER,
    desk.ROUTER,
    slip.ROUTER,
    residents.ROUTER,
    assessing.ROUTER,
    placing.ROUTER,
    people.ROUTER,
    availability.ROUTER,
    carer.ROUTER,
    home.ROUTER,
    organisation.ROUTER,
    bidding.ROUTER,
    performing.ROUTER,
    granting.OWN,
    incubating.OWN,
    grid.ROUTER,
    plan.ROUTER,
    fairness.ROUTER,
    rules.ROUTER,
    accepting.ROUTER,
    admitting.ROUTER,
    granting.ROUTER,
    incubating.ROUTER,
    evaluating.ROUTER,
    funds.ROUTER,
    files.ROUTER,
    purchases.ROUTER,
    public.ROUTER,
    scoring.ROUTER,
    events.ROUTER,
)
