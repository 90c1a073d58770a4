"""What the signed record of a video says, checked again."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from hinode.api.context import AppContext, ProjectId
from hinode.api.queries import Id
from hinode.api.routes.videos.content import completed, file_of
from hinode.api.verification.wire import Verification

router = APIRouter(prefix="/v1/videos", tags=["Videos"])


@router.get("/{video_id}/provenance", response_model=Verification)
async def get_provenance(video_id: Id, context: AppContext, project_id: ProjectId) -> Response:
    """Check the file of a finished video as `/v1/verify` does: who signed it, and what it was made from."""

    def find() -> Path:
        file = file_of(context, completed(context, project_id, video_id), "video")
        return context.objects.fetch(file.digest)

    report = await context.verification.check(await context.run_slow(find))
    return Verification.of_report(report).response({"cache-control": "no-store"})
