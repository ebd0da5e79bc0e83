"""What every order (POST) on the Unix socket has to be: of somebody who may give one, short, and of the right shape.

An order asks more of a client than to be in the directory: `peer.may_control`, noted in the connection's state. What it is not is told as a
problem: 403, 413, or 400 with the field that is wrong.
"""

from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

MOST_BODY_BYTES = 1_024

FRESH = {"cache-control": "no-store"}
"""Headers of every answer: what it tells is true now."""


class Order(BaseModel):
    """The body of an order: JSON, no field but those named."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


Given = TypeVar("Given", bound=Order)


async def order_of(request: Request, shape: type[Given]) -> Given:
    """Read the order that `request` carries; no body at all is an order without fields.

    Raises:
        HTTPException: it is none; see above.
    """
    if not getattr(request.state, "may_control", False):
        raise HTTPException(HTTPStatus.FORBIDDEN, "you may look, not control: be root, the daemon's user, or of its group")
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BODY_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an order has at most {MOST_BODY_BYTES} bytes")
    except ClientDisconnect as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "half an order") from error
    try:
        return shape.model_validate_json(body or b"{}")
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{'.'.join(map(str, wrong['loc'])) or 'body'}: {wrong['msg']}"[:200]) from error
