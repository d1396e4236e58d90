"""Accounts: inviting, roles, one-time passwords, cards, and a volunteer's own registration."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import or_, select

from services.identity import people, rules, secrets, signing_in
from services.identity.tables import AccountRow, CardRow, MembershipRow, PersonRow
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.database.base import among
from shared.database.work import Work
from shared.id_numbers import birth_date
from shared.ids import new_id
from shared.rules import rule_value
from shared.security.caller import Caller, Membership
from shared.web.problems import Forbidden, Invalid, NotFound, Refused


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be opened, its password already hashed."""

    person_id: UUID
    username: str
    password_hash: str
    memberships: tuple[Membership, ...]
    must_change_password: bool = True
    name: str | None = None


def settled(role: Role, scope: ScopeKind | None, scope_id: UUID | None, person_id: UUID) -> Membership:
    """A membership as asked for, with the usual scope of its role filled in. 422 when the role has no such scope."""
    kind = scope or rules.ROLE_SCOPES[role][0]
    if kind not in rules.ROLE_SCOPES[role]:
        raise Invalid("role_scope", "这个角色不能有这样的范围。", field="scope")
    if role in (Role.VOLUNTEER, Role.RESIDENT):
        if scope_id not in (None, person_id):
            raise Invalid("role_scope", "志愿者和居民的范围只能是本人。", field="scope_id")
        scope_id = person_id
    if (kind is ScopeKind.CITY) != (scope_id is None):
        raise Invalid("scope_missing", "请选择这个角色所在的单位或地区。", field="scope_id")
    return Membership(role, kind, scope_id)


def open_accounts(work: Work, accounts: Sequence[NewAccount]) -> list[AccountRow]:
    """Open accounts with their roles, many at once."""
    named = [new for new in accounts if new.name]
    blocks = work.vault.seal_many(work.session, [(new.person_id, {"name": new.name}) for new in named])
    sealed = {new.person_id: block for new, block in zip(named, blocks, strict=True)}
    rows = [
        AccountRow(
            account_id=new_id(),
            person_id=new.person_id,
            username=new.username,
            password_hash=new.password_hash,
            must_change_password=new.must_change_password,
            sealed=sealed.get(new.person_id),
            opened_at=work.now,
            changed_at=work.now,
            memberships=[_membership_row(work, m) for m in dict.fromkeys(new.memberships)],
        )
        for new in accounts
    ]
    work.session.add_all(rows)
    work.session.flush()
    return rows


def invite(
    work: Work,
    caller: Caller,
    person_id: UUID,
    username: str,
    memberships: Sequence[Membership],
    centre_community_id: UUID | None = None,
    name: str | None = None,
) -> tuple[AccountRow, str]:
    """Open a person's account with a one-time password. Asked again before the first sign-in, it gives a fresh one."""
    if work.session.get(PersonRow, person_id) is None:
        raise Invalid("person_unknown", "没有这个人，请先登记。", field="person_id")
    if centre_community_id is not None:
        _place_centres(work, caller, memberships, centre_community_id)
    _require_giving(work, caller, memberships)
    password = secrets.one_time_password()
    known = work.session.scalar(select(AccountRow).where(AccountRow.person_id == person_id).with_for_update())
    if known is not None:
        same = {row.as_membership() for row in known.memberships} == set(memberships)
        if known.username != username or not same or not known.must_change_password:
            raise Refused(
                "person_has_account", "这个人已经有账号，请在原账号上增加角色或重置密码。", field="person_id"
            )
        return known, reset_password(work, caller, known.account_id)[1]
    office = any(m.role not in rules.PRIVATE for m in memberships)
    new = NewAccount(
        person_id, username, secrets.hashed(password), tuple(memberships), name=name if office else None
    )
    row = open_accounts(work, [new])[0]
    work.audit("account.open", row.account_id, person_id, roles=sorted({m.role.value for m in memberships}))
    return row, password


def register_volunteer(work: Work, username: str, password: str, id_number: str) -> AccountRow:
    """A volunteer's own registration. Whoever is on record already asks their centre: an ID number is no proof."""
    born = birth_date(id_number)
    today = wall_day(work.now)
    if born > today:
        raise Invalid("id_number", "身份证号中的出生日期不对，请核对。", field="id_number")
    youngest = int(rule_value("volunteer_youngest", today))
    if rules.age(born, today) < youngest:
        raise Invalid("too_young", "年满 {years} 岁才能注册为志愿者。", field="id_number", years=youngest)
    person_id = uuid4()
    if people.register(work, [people.NewPerson(person_id, id_number)]) != [person_id]:
        raise Refused(
            "person_on_record",
            "这个身份证号已经登记过。请直接登录，或请附近的照料中心为您开通账号。",
            field="id_number",
        )
    membership = Membership(Role.VOLUNTEER, ScopeKind.PERSON, person_id)
    new = NewAccount(person_id, username, secrets.hashed(password), (membership,), must_change_password=False)
    row = open_accounts(work, [new])[0]
    work.audit("account.register", row.account_id, person_id)
    return row


def change_password(
    work: Work, caller: Caller, old: str, new: str, session_id: UUID | None, address: str
) -> AccountRow | Refused:
    """Change one's own password; other sessions end. A wrong old one is counted, hence returned and not raised."""
    row = _locked(work, caller.account_id)
    refusal = signing_in.tried(
        work,
        f"username:{row.username}",
        address,
        lambda: secrets.holds(old, row.password_hash),
        Invalid("wrong_password", "原密码不对。", field="old"),
    )
    if refusal is not None:
        return refusal
    if new == old:
        raise Invalid("password_same", "新密码不能与原密码相同。", field="new")
    fault = rules.password_fault(new, row.username)
    if fault:
        raise Invalid("password", fault, field="new")
    row.password_hash = secrets.hashed(new)
    row.must_change_password = False
    row.changed_at = work.now
    signing_in.end_sessions(work, row.account_id, except_id=session_id)
    work.audit("password.change", row.account_id, row.person_id)
    work.session.flush()
    return row


def reset_password(work: Work, caller: Caller, account_id: UUID) -> tuple[AccountRow, str]:
    """Give one of one's own people a one-time password; every session of theirs ends."""
    row = _managed(work, caller, account_id)
    password = secrets.one_time_password()
    row.password_hash = secrets.hashed(password)
    row.must_change_password = True
    row.changed_at = work.now
    signing_in.end_sessions(work, account_id)
    work.audit("password.reset", account_id, row.person_id)
    work.session.flush()
    return row, password


def print_card(work: Work, caller: Caller, account_id: UUID) -> tuple[CardRow, str, str]:
    """A new card with its code and PIN, shown this once (8.5). The card before it, and its sessions, end."""
    row = _managed(work, caller, account_id)
    if not any(Role(m.role) in rules.CARD_ROLES for m in row.memberships):
        raise Refused("no_card_role", "只有志愿者和居民可以用卡登录。")
    end_cards(work, row.account_id)
    code, pin = secrets.card_code(), secrets.pin()
    card = add_card(work, row, code, pin)
    work.audit("card.print", card.card_id, row.person_id)
    return card, code, pin


def add_card(work: Work, account: AccountRow, code: str, pin: str) -> CardRow:
    """Record a card by the hashes of its code and PIN."""
    card = CardRow(
        card_id=new_id(),
        account_id=account.account_id,
        code_hash=work.vault.fingerprint(f"card:{code}"),
        pin_hash=secrets.hashed(secrets.peppered(work.vault, pin)),
        printed_at=work.now,
        revoked_at=None,
    )
    work.session.add(card)
    work.session.flush()
    return card


def revoke_cards(work: Work, caller: Caller, account_id: UUID) -> AccountRow:
    """End the cards of one of one's own people, and every session opened by them."""
    row = _managed(work, caller, account_id)
    end_cards(work, account_id)
    work.audit("card.revoke", account_id, row.person_id)
    return row


def end_cards(work: Work, account_id: UUID) -> None:
    """Revoke an account's live card and end its sessions."""
    for card in work.session.scalars(
        select(CardRow)
        .where(CardRow.account_id == account_id, CardRow.revoked_at.is_(None))
        .with_for_update()
    ):
        card.revoked_at = max(work.now, card.printed_at)
        signing_in.end_sessions(work, account_id, card_id=card.card_id)
    work.session.flush()


def add_membership(
    work: Work, caller: Caller, account_id: UUID, membership: Membership, centre_community_id: UUID | None
) -> AccountRow:
    """Give an account another role, if the caller may give it. One that it has stays as it is."""
    row = _locked(work, account_id)
    if centre_community_id is not None:
        _place_centres(work, caller, [membership], centre_community_id)
    _require_giving(work, caller, [membership])
    if membership not in {m.as_membership() for m in row.memberships}:
        row.memberships.append(_membership_row(work, membership))
        row.changed_at = work.now
        work.audit("membership.give", account_id, row.person_id, role=membership.role.value)
    work.session.flush()
    return row


def remove_membership(work: Work, caller: Caller, account_id: UUID, membership_id: UUID) -> AccountRow:
    """Take a role from an account, if the caller could give it. Tokens that carry it hold ten minutes at most."""
    row = _locked(work, account_id)
    held = next((m for m in row.memberships if m.membership_id == membership_id), None)
    if held is None:
        raise NotFound("membership_unknown", "账号没有这个角色。")
    _require_giving(work, caller, [held.as_membership()])
    row.memberships.remove(held)
    row.changed_at = work.now
    work.audit("membership.take", account_id, row.person_id, role=held.role)
    work.session.flush()
    return row


def accounts_of(work: Work, caller: Caller, person_ids: Iterable[UUID]) -> list[AccountRow]:
    """The accounts of people, as far as they are the caller's own or the caller's own people's."""
    rows = work.session.scalars(
        select(AccountRow)
        .where(among(AccountRow.person_id, person_ids))
        .order_by(AccountRow.person_id, AccountRow.account_id)
    ).all()
    reaches = people.reaches(work, {m.as_membership() for row in rows for m in row.memberships})
    return [
        row
        for row in rows
        if row.account_id == caller.account_id
        or rules.may_manage(caller, {m.as_membership(): reaches[m.as_membership()] for m in row.memberships})
    ]


def office_names(work: Work, person_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The names of those of these people who hold an office: they act under their name (8.12; Order 67, 7)."""
    rows = [
        row
        for row in work.session.scalars(
            select(AccountRow).where(among(AccountRow.person_id, person_ids), AccountRow.sealed.is_not(None))
        )
        if any(Role(m.role) not in rules.PRIVATE for m in row.memberships)
    ]
    values = work.vault.open(work.session, [(row.person_id, row.sealed or b"") for row in rows])
    return {row.person_id: str(v["name"]) for row, v in zip(rows, values, strict=True) if v.get("name")}


def office_holders(work: Work, role: Role, community_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Who holds an office in one of these communities, there or over a wider area; their names."""
    areas = set(community_ids)
    areas |= {row.parent_id for each in areas if (row := people.area(work, each)) and row.parent_id}
    held = (
        select(AccountRow.person_id)
        .join(MembershipRow)
        .where(
            MembershipRow.role == role.value,
            or_(MembershipRow.scope == ScopeKind.CITY.value, MembershipRow.scope_id.in_(areas)),
        )
    )
    return office_names(work, work.session.scalars(held))


def with_cards(work: Work, rows: Iterable[AccountRow]) -> set[UUID]:
    """Which of these accounts have a live card."""
    return set(
        work.session.scalars(
            select(CardRow.account_id).where(
                among(CardRow.account_id, [row.account_id for row in rows]), CardRow.revoked_at.is_(None)
            )
        )
    )


def found(work: Work, account_id: UUID) -> AccountRow:
    """The account. 404 when there is none."""
    row = work.session.get(AccountRow, account_id)
    if row is None:
        raise NotFound("account_unknown", "没有这个账号。")
    return row


def own(work: Work, caller: Caller) -> AccountRow:
    """The caller's own account. 404 when it is gone."""
    return found(work, caller.account_id)


def _membership_row(work: Work, membership: Membership) -> MembershipRow:
    return MembershipRow(
        membership_id=new_id(),
        role=membership.role.value,
        scope=membership.scope.value,
        scope_id=membership.scope_id,
        given_at=work.now,
    )


def _locked(work: Work, account_id: UUID) -> AccountRow:
    row = work.session.scalar(select(AccountRow).where(AccountRow.account_id == account_id).with_for_update())
    if row is None:
        raise NotFound("account_unknown", "没有这个账号。")
    return row


def _managed(work: Work, caller: Caller, account_id: UUID) -> AccountRow:
    row = _locked(work, account_id)
    held = people.reaches(work, [m.as_membership() for m in row.memberships])
    if not rules.may_manage(caller, held):
        raise Forbidden("out_of_reach", "这个账号不在您负责的范围内。")
    return row


def _require_giving(work: Work, caller: Caller, memberships: Sequence[Membership]) -> None:
    reaches = people.reaches(work, memberships)
    for membership in memberships:
        if not rules.may_give(caller, membership, reaches[membership]):
            raise Forbidden("may_not_invite", "您不能给这个人这样的角色。", field="memberships")
        if membership.scope in (ScopeKind.TOWN, ScopeKind.COMMUNITY, ScopeKind.CELL):
            row = people.area(work, membership.scope_id) if membership.scope_id else None
            if row is None or row.level != membership.scope.value:
                raise Invalid("scope_unknown", "没有这个地区，请从列表中选择。", field="scope_id")
        if (
            membership.role is Role.FAMILY
            and membership.scope_id
            and work.session.get(PersonRow, membership.scope_id) is None
        ):
            raise Invalid("person_unknown", "没有这位老人，请先登记。", field="scope_id")


def _place_centres(work: Work, caller: Caller, memberships: Sequence[Membership], community_id: UUID) -> None:
    if not caller.has(Role.BUREAU):
        raise Forbidden("role_missing", "您的角色不能做这件事。", field="centre_community_id")
    row = people.area(work, community_id)
    if row is None or row.level != "community":
        raise Invalid("community_unknown", "没有这个社区，请从列表中选择。", field="centre_community_id")
    people.place_areas(
        work,
        [
            (m.scope_id, ScopeKind.CENTRE.value, community_id)
            for m in memberships
            if m.scope is ScopeKind.CENTRE and m.scope_id is not None
        ],
    )
