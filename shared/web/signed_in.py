"""The caller of a request, as a type in the endpoint's signature: `caller: Annotated[Caller, may(Role.PLANNER)]`."""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.contracts.codes import Role
from shared.security.caller import Caller, Reach
from shared.security.tokens import BadToken, KeysAway, TokenVerifier
from shared.web.problems import Forbidden, Refused, Unauthenticated

_bearer = HTTPBearer(auto_error=False, description="access token from identity")


async def signed_in(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """The caller that the request's token names. 401 without a valid one."""
    if credentials is None:
        raise Unauthenticated("not_signed_in", "请先登录。")
    verifier: TokenVerifier = request.app.state.verifier
    try:
        return await verifier.caller(credentials.credentials)
    except BadToken:
        raise Unauthenticated("token_expired", "登录已过期，请重新登录。") from None
    except KeysAway:
        raise Refused("unavailable", "系统暂时无法核对登录，请稍后再试。", status=503) from None


SignedIn = Annotated[Caller, Depends(signed_in)]


def may(*roles: Role) -> Any:
    """A dependency that lets in callers with one of the roles. What they may reach is the service's to say."""

    async def check(caller: SignedIn) -> Caller:
        if not caller.has(*roles):
            raise Forbidden("role_missing", "您的角色不能做这件事。")
        return caller

    return Depends(check)


def require(caller: Caller, reach: Reach, *roles: Role) -> None:
    """Refuse a caller whose memberships (with one of the roles) do not reach the thing."""
    if not caller.reaches(reach, *roles):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
