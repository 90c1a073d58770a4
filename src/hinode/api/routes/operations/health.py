"""Whether the server lives, whether it can take work, and its numbers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hinode.api.context import AppContext
from hinode.api.middleware.metrics import Metrics

router = APIRouter(tags=["Operation"])


@router.get("/healthz")
async def health() -> JSONResponse:
    """That the process lives."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def ready(request: Request, here: AppContext) -> JSONResponse:
    """That requests can be accepted; `workers` tells whether somebody is there to make the videos."""
    numbers: Metrics = request.app.state.metrics
    if here.stopping.is_set():
        return JSONResponse({"status": "stopping"}, 503)
    with here.store.database.read():  # one that cannot be reached raises, and is answered with 503
        pass
    return JSONResponse({"status": "ok", "workers": numbers.tally.now().workers})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Numbers for Prometheus."""
    numbers: Metrics = request.app.state.metrics
    return Response(numbers.page(), media_type=CONTENT_TYPE_LATEST)
