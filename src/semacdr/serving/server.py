"""The HTTP server: health, recommendations, items. It needs `pip install semacdr[serve]`.

GET  /health                     model, as_of, domains, users, items, limits
POST /recommend                  lists for known users or for given histories, as JSON
GET  /item/{domain}/{item_id}    title and categories of an item
GET  /items?search=…             items whose title contains a text

A request that is wrong is answered by 4xx and {"detail": "one sentence"}. There is no authentication: whoever reaches
the port can read titles and, for known users, what is recommended to them.
"""

import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import polars as pl
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from semacdr.errors import UserError
from semacdr.serving import together
from semacdr.serving.queries import Asked
from semacdr.serving.recommender import Recommender

Text = Annotated[str, Field(min_length=1, max_length=1000)]
ItemId = Text | tuple[Text, Text]


@dataclass(frozen=True)
class Limits:
    """What a request may ask for at most, and how many may wait."""

    body: int = 1 << 20  # bytes of a request
    users: int = 1000  # users or histories of a request
    events: int = 10_000  # items of a history
    top: int = 1000  # items for each user
    rows: int = 100_000  # items of an answer: users times top
    waiting: int = 1000  # requests


class Wanted(BaseModel):
    """The body of POST /recommend: either `users` or `histories`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    users: list[Text] | None = Field(None, description="ids of known users")
    histories: list[list[ItemId]] | None = Field(
        None, description="items of new users in order of time, each an id or [domain, id]"
    )
    top: int = Field(20, ge=1, le=1_000_000)
    explain: bool = False
    keep_seen: bool = False
    skip_unknown: bool = False


class Json(Response):
    """JSON in ASCII, so that any text can be sent."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the answer."""
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def make_app(recommender: Recommender, limits: Limits | None = None) -> FastAPI:
    """The ASGI application that serves a recommender.

    It answers one request of its own first: what the model computes once is then there. A UserError if that fails.
    """
    bounds = limits or Limits()
    _try(recommender)
    batches = together.Together(recommender, bounds.waiting)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        batches.close()

    app = FastAPI(
        title="semacdr",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=life,
        default_response_class=Json,
    )
    app.add_exception_handler(RequestValidationError, _refuse_invalid)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _failed)

    health = _health(recommender, bounds)
    target = recommender.items.with_columns(low=pl.col("title").str.to_lowercase())

    @app.get("/health")
    async def get_health() -> Json:
        return Json(health)

    body = {"content": {"application/json": {"schema": Wanted.model_json_schema()}}, "required": True}

    @app.post("/recommend", openapi_extra={"requestBody": body})
    async def post_recommend(request: Request) -> Json:
        wanted = _parse(await _body(request, bounds.body))
        asked = _checked(recommender, wanted, bounds)
        try:
            lists = await batches.ask(together.Request(asked, wanted.top, wanted.keep_seen, wanted.explain))
        except together.Busy:
            raise HTTPException(503, f"{bounds.waiting} requests wait already; ask again later") from None
        return Json(
            {
                "model": recommender.model,
                "as_of": recommender.as_of if asked.users is not None else "history",
                "skipped": asked.skipped,
                "lists": [_named(asked, row, own) for row, own in enumerate(lists)],
            }
        )

    @app.get("/item/{domain}/{item_id:path}")
    async def get_item(domain: str, item_id: str) -> Json:
        try:
            number = recommender.catalogue.number((domain, item_id))
        except UserError as error:
            raise HTTPException(404, str(error)) from error
        row = recommender.items.row(number, named=True)
        return Json(row | {"categories": recommender.categories(number)})

    @app.get("/items")
    async def get_items(
        search: Annotated[str, Query(min_length=1, max_length=200)],
        domain: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Json:
        if domain not in (None, recommender.source, recommender.target):
            raise HTTPException(
                422, f"there is no domain '{domain}'; there are {recommender.source} and {recommender.target}"
            )
        found = pl.col("low").str.contains(search.lower(), literal=True)
        if domain is not None:
            found &= pl.col("domain") == domain
        rows = target.lazy().filter(found).head(limit).drop("low").collect()
        return Json({"items": rows.to_dicts()})

    return app


def _named(asked: Asked, row: int, items: list[dict[str, Any]]) -> dict[str, Any]:
    """A list with whom it is for: the id of the user, or the number of the history from 1."""
    whom = {"history": row + 1} if asked.users is None else {"user_id": asked.names[row]}
    return whom | {"items": items}


def _try(recommender: Recommender) -> None:
    if recommender.serves_unseen_users:
        recommender.recommend(histories=[[]], top=1)
    else:
        recommender.recommend(users=recommender.users()[:1], top=1)


def _health(recommender: Recommender, limits: Limits) -> dict[str, Any]:
    return {
        "status": "ok",
        "model": recommender.model,
        "as_of": recommender.as_of,
        "source": recommender.source,
        "target": recommender.target,
        "users": len(recommender.users()),
        "items": len(recommender.items),
        "target_items": len(recommender.target_items),
        "serves_unseen_users": recommender.serves_unseen_users,
        "limits": dataclasses.asdict(limits),
    }


async def _body(request: Request, limit: int) -> bytes:
    """The bytes of a request; 413 as soon as there are too many."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > limit:
            raise HTTPException(413, f"the request has more than {limit:,} bytes; ask in several requests")
    return bytes(content)


def _parse(body: bytes) -> Wanted:
    try:
        return Wanted.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, _sentence(error.errors(include_url=False, include_input=False))) from error


def _checked(recommender: Recommender, wanted: Wanted, limits: Limits) -> Asked:
    """Who is asked for; 422 for unknown ids and for more than the limits allow."""
    people: list[Any] = (wanted.histories if wanted.users is None else wanted.users) or []
    if not people:
        raise HTTPException(422, "give `users` (ids) or `histories` (lists of item ids), at least one")
    for name, found, limit in (
        ("users or histories", len(people), limits.users),
        ("items of a history", max(map(len, wanted.histories or [[]])), limits.events),
        ("top", wanted.top, limits.top),
        ("items of the answer (users times top)", len(people) * wanted.top, limits.rows),
    ):
        if found > limit:
            raise HTTPException(422, f"{name}: {found:,} are asked for; the limit is {limit:,}")
    try:
        return recommender.understand(wanted.users, wanted.histories, wanted.skip_unknown)
    except UserError as error:
        raise HTTPException(422, str(error)) from error


def _sentence(errors: Any) -> str:
    """The first of pydantic's errors in one sentence."""
    first = errors[0]
    if first["loc"][:1] == ("histories",) and len(first["loc"]) > 3:  # pydantic names each form that an item may have
        return (
            f"histories.{first['loc'][1]}.{first['loc'][2]}: an item is an id or [domain, id], of 1 to 1000 characters"
        )
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
    return f"{place[:200] + ': ' if place else ''}{first['msg']}{more}"


def _reason(detail: str, status: int, headers: Mapping[str, str] | None = None) -> Json:
    """The answer to a wrong request, with its reason on one line."""
    return Json(
        {"detail": "".join(sign if sign.isprintable() else " " for sign in detail)}, status, dict(headers or {})
    )


async def _refuse_invalid(_: Request, error: Exception) -> Json:
    assert isinstance(error, RequestValidationError)
    return _reason(_sentence(error.errors()), 422)


async def _refuse(_: Request, error: Exception) -> Json:
    assert isinstance(error, HTTPException)
    return _reason(error.detail, error.status_code, error.headers)


async def _failed(_: Request, error: Exception) -> Json:
    return _reason("the server failed; its log says why", 500)
