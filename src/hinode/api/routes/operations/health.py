"""Health, readiness and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client.exposition import choose_encoder

from hinode.api.context import AppContext
from hinode.api.failures import unavailable
from hinode.api.middleware.metrics import Metrics

router = APIRouter(tags=["Operation"])


@router.get("/healthz")
async def health() -> JSONResponse:
    """Whether the process is alive."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def ready(request: Request, context: AppContext) -> Response:
    """Whether requests can be accepted, which takes a database and a store that can be written; `workers` is
    the number of live workers."""
    metrics: Metrics = request.app.state.metrics
    if context.stopping.is_set():
        return unavailable("the server is stopping").response()  # raised, it would be logged as an error
    context.readiness.check()  # its error is answered with 503
    return JSONResponse({"status": "ok", "workers": metrics.job_counts.latest().workers})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Metrics in the text format of Prometheus, or in OpenMetrics, which has ids of traces, if accepted."""
    metrics: Metrics = request.app.state.metrics
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(metrics.registry), media_type=media_type)
