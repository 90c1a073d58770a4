"""The feed for readers of other programs: Atom (RFC 4287), and Media RSS with the videos themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as xml

from hinode.jobs.feed.feed import Post

ATOM = "http://www.w3.org/2005/Atom"
MEDIA = "http://search.yahoo.com/mrss/"
ATOM_TYPE, MRSS_TYPE = "application/atom+xml", "application/rss+xml"

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot have, however they are written."""

xml.register_namespace("media", MEDIA)


def atom(posts: Sequence[Post], title: str, project_id: str, base: str, now: float) -> bytes:
    """The posts, newest first, as an Atom feed.

    Args:
        base: address of the server, with a slash at its end; addresses in the feed begin with it.
        now: seconds since 1970, for a feed without posts.
    """
    feed = xml.Element("feed", xmlns=ATOM)
    _add(feed, "id", f"urn:hinode:{project_id}:feed")
    _add(feed, "title", title)
    _add(feed, "updated", _rfc3339(posts[0].created_at if posts else now))
    _add(feed, "link", rel="self", type=ATOM_TYPE, href=f"{base}v1/feed.atom")
    for post in posts:
        entry = _add(feed, "entry")
        _add(entry, "id", f"urn:hinode:{post.id}")
        _add(entry, "title", post.title)
        _add(entry, "published", _rfc3339(post.created_at))
        _add(entry, "updated", _rfc3339(post.created_at))
        _add(_add(entry, "author"), "name", post.author)
        for credit in post.credits:
            _add(_add(entry, "contributor"), "name", credit.author)
        _add(entry, "link", rel="alternate", href=f"{base}v1/feed/{post.id}")
        _add(entry, "link", rel="enclosure", type="video/mp4", href=_content(base, post))
        _add(entry, "summary", _summary(post), type="text")
    return _bytes(feed)


def mrss(posts: Sequence[Post], title: str, base: str) -> bytes:
    """The posts, newest first, as RSS 2.0 with Media RSS; for `base` see `atom`."""
    rss = xml.Element("rss", version="2.0")
    channel = _add(rss, "channel")
    _add(channel, "title", title)
    _add(channel, "link", base)
    _add(channel, "description", f"Videos of {title}")
    for post in posts:
        item, address = _add(channel, "item"), _content(base, post)
        _add(item, "guid", f"urn:hinode:{post.id}", isPermaLink="false")
        _add(item, "title", post.title)
        _add(item, "link", f"{base}v1/feed/{post.id}")
        _add(item, "pubDate", format_datetime(datetime.fromtimestamp(post.created_at, UTC)))
        _add(item, "description", _summary(post))
        facts = {"url": address, "type": "video/mp4", "medium": "video"}
        if post.video is not None:
            request = post.video.request
            facts |= {"width": str(request["width"]), "height": str(request["height"])}
            facts |= {"duration": str(round(post.video.seconds))}
        content = _add(item, f"{{{MEDIA}}}content", **facts)
        _add(content, f"{{{MEDIA}}}title", post.title, type="plain")
        _add(content, f"{{{MEDIA}}}description", _summary(post), type="plain")
        _add(content, f"{{{MEDIA}}}thumbnail", url=f"{address}?variant=thumbnail")
        for role, name in (("author", post.author), *(("source", credit.author) for credit in post.credits)):
            _add(content, f"{{{MEDIA}}}credit", name, role=role)
    return _bytes(rss)


def _summary(post: Post) -> str:
    """The caption, and whom the video came from."""
    lines = [f"{credit.operation} of “{credit.title}” by {credit.author}" for credit in post.credits]
    return "\n".join(filter(None, (post.caption, *lines)))


def _content(base: str, post: Post) -> str:
    return f"{base}v1/videos/{post.video_id}/content"


def _add(parent: xml.Element, tag: str, text: str | None = None, **attributes: str) -> xml.Element:
    element = xml.SubElement(parent, tag, {name: _clean(value) for name, value in attributes.items()})
    element.text = None if text is None else _clean(text)
    return element


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).isoformat().replace("+00:00", "Z")


def _bytes(element: xml.Element) -> bytes:
    text: bytes = xml.tostring(element, encoding="utf-8", xml_declaration=True)
    return text
