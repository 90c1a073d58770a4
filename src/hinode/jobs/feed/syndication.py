"""The feed for readers of other programs: Atom (RFC 4287), and Media RSS with the videos themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as xml

from hinode.jobs.feed.feed import Post
from hinode.jobs.markup import ATOM, ATOM_TYPE, add_element, format_moment, to_bytes

MEDIA = "http://search.yahoo.com/mrss/"
MRSS_TYPE = "application/rss+xml"

xml.register_namespace("media", MEDIA)


def atom(posts: Sequence[Post], title: str, project_id: str, base: str, now: float) -> bytes:
    """The posts, newest first, as an Atom feed.

    Args:
        base: address of the server, with a slash at its end; addresses in the feed begin with it.
        now: seconds since 1970, for a feed without posts.
    """
    feed = xml.Element("feed", xmlns=ATOM)
    add_element(feed, "id", f"urn:hinode:{project_id}:feed")
    add_element(feed, "title", title)
    add_element(feed, "updated", format_moment(posts[0].created_at if posts else now))
    add_element(feed, "link", rel="self", type=ATOM_TYPE, href=f"{base}v1/feed.atom")
    for post in posts:
        entry = add_element(feed, "entry")
        add_element(entry, "id", f"urn:hinode:{post.id}")
        add_element(entry, "title", post.title)
        add_element(entry, "published", format_moment(post.created_at))
        add_element(entry, "updated", format_moment(post.created_at))
        add_element(add_element(entry, "author"), "name", post.author)
        for credit in post.credits:
            add_element(add_element(entry, "contributor"), "name", credit.author)
        add_element(entry, "link", rel="alternate", href=f"{base}v1/feed/{post.id}")
        add_element(entry, "link", rel="enclosure", type="video/mp4", href=_content(base, post))
        add_element(entry, "summary", _summary(post), type="text")
    return to_bytes(feed)


def mrss(posts: Sequence[Post], title: str, base: str) -> bytes:
    """The posts, newest first, as RSS 2.0 with Media RSS; for `base` see `atom`."""
    rss = xml.Element("rss", version="2.0")
    channel = add_element(rss, "channel")
    add_element(channel, "title", title)
    add_element(channel, "link", base)
    add_element(channel, "description", f"Videos of {title}")
    for post in posts:
        item, address = add_element(channel, "item"), _content(base, post)
        add_element(item, "guid", f"urn:hinode:{post.id}", isPermaLink="false")
        add_element(item, "title", post.title)
        add_element(item, "link", f"{base}v1/feed/{post.id}")
        add_element(item, "pubDate", format_datetime(datetime.fromtimestamp(post.created_at, UTC)))
        add_element(item, "description", _summary(post))
        facts = {"url": address, "type": "video/mp4", "medium": "video"}
        if post.video is not None:
            request = post.video.request
            facts |= {"width": str(request["width"]), "height": str(request["height"])}
            facts |= {"duration": str(round(post.video.seconds))}
        content = add_element(item, f"{{{MEDIA}}}content", **facts)
        add_element(content, f"{{{MEDIA}}}title", post.title, type="plain")
        add_element(content, f"{{{MEDIA}}}description", _summary(post), type="plain")
        add_element(content, f"{{{MEDIA}}}thumbnail", url=f"{address}?variant=thumbnail")
        for role, name in (("author", post.author), *(("source", credit.author) for credit in post.credits)):
            add_element(content, f"{{{MEDIA}}}credit", name, role=role)
    return to_bytes(rss)


def _summary(post: Post) -> str:
    """The caption, and whom the video came from."""
    lines = [f"{credit.operation} of “{credit.title}” by {credit.author}" for credit in post.credits]
    return "\n".join(filter(None, (post.caption, *lines)))


def _content(base: str, post: Post) -> str:
    return f"{base}v1/videos/{post.video_id}/content"
