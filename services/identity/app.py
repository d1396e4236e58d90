"""Identity: who somebody is, how they sign in, and in what roles."""

from datetime import timedelta

from services.identity.base import Base
from services.identity.endpoints import ROUTER
from services.identity.handlers import HANDLERS
from services.identity.keys import rotate_keys
from services.identity.sample import load
from services.identity.signing_in import forget_ended
from shared.database.work import Job
from shared.web.app import Service
from shared.web.operations import operations
from shared.web.problems import Guard

SERVICE = Service(
    name="identity",
    title="Linli identity",
    metadata=Base.metadata,
    routers=(ROUTER, operations("identity", HANDLERS)),
    handlers=HANDLERS,
    jobs=(
        Job("identity.rotate_keys", timedelta(hours=1), rotate_keys),
        Job("identity.forget_ended", timedelta(minutes=30), forget_ended),
    ),
    guards={
        "uq_account_username": Guard("username_taken", "这个用户名已经有人用了，请换一个。", "username"),
        "uq_account_person": Guard(
            "person_has_account", "这个人已经有账号，请在原账号上增加角色或重置密码。", "person_id"
        ),
        "uq_membership_once": Guard("role_held", "账号已经有这个角色。", "role"),
        "ck_membership_role_scope": Guard("role_scope", "这个角色不能有这样的范围。", "scope"),
        "ck_membership_scope": Guard("scope_missing", "请选择这个角色所在的单位或地区。", "scope_id"),
        "uq_card_live": Guard("card_live", "刚刚已经发了一张卡，请刷新后再看。"),
    },
    load_sample=load,
)
