"""The list of all addresses at which something of a video can be read.

What is withheld has to be gone from each of them at once. A test goes over the list, and another one finds a
route that is missing here.
"""

from __future__ import annotations

OF_VIDEOS = (
    # Its files, whole or in ranges, and what is made from them.
    "/v1/videos/{video_id}/content",
    "/v1/videos/{video_id}/content?variant=thumbnail",
    "/v1/videos/{video_id}/content?variant=spritesheet",
    "/v1/videos/{video_id}/content?format=gif",
    "/v1/videos/{video_id}/frames/{number}",
    "/v1/videos/{video_id}/preview",
    "/v1/videos/{video_id}/references/{number}",
    "/v1/consents/{consent_id}/videos/{video_id}/content",
    "/v1/library/archives/{archive_id}",
    # What is said about it.
    "/v1/videos/{video_id}",
    "/v1/videos/{video_id}/captions",
    "/v1/videos/{video_id}/provenance",
    "/v1/videos/{video_id}/events",
    "/v1/videos/{video_id}/request",
    "/v1/library/{video_id}",
    "/v1/library/{video_id}/lineage",
    # Lists and the feed.
    "/v1/videos",
    "/v1/library",
    "/v1/feed",
    "/v1/feed/{post_id}",
    "/v1/feed/{post_id}/reports",
    "/v1/feed.atom",
    "/v1/feed.mrss",
)
