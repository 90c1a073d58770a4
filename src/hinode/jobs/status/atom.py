"""The incidents for readers of other programs: Atom (RFC 4287)."""

from __future__ import annotations

from xml.etree import ElementTree as xml

from hinode.jobs.markup import ATOM, ATOM_TYPE, add_element, format_moment, to_bytes
from hinode.jobs.status.report import Incident, Report


def atom(report: Report, base: str) -> bytes:
    """The incidents of a report as an Atom feed; changes and notes of an incident update its entry.

    Args:
        base: address of the server, with a slash at its end; addresses in the feed begin with it.
    """
    updated = max((_updated_at(incident) for incident in report.incidents), default=report.at)
    feed = xml.Element("feed", xmlns=ATOM)
    add_element(feed, "id", f"{base}status.atom")
    add_element(feed, "title", "Status of Hinode")
    add_element(feed, "updated", format_moment(updated))
    add_element(feed, "link", rel="self", type=ATOM_TYPE, href=f"{base}status.atom")
    add_element(feed, "link", rel="alternate", type="text/html", href=f"{base}status")
    for incident in report.incidents:
        entry = add_element(feed, "entry")
        add_element(entry, "id", f"urn:hinode:{incident.id}")
        state = incident.impact.value if incident.closed_at is None else "resolved"
        add_element(entry, "title", f"{incident.title}: {state}")
        add_element(entry, "published", format_moment(incident.opened_at))
        add_element(entry, "updated", format_moment(_updated_at(incident)))
        add_element(add_element(entry, "author"), "name", "Hinode")
        add_element(entry, "link", rel="alternate", type="text/html", href=f"{base}status#{incident.id}")
        add_element(entry, "summary", "\n".join(_lines(incident)), type="text")
    return to_bytes(feed)


def _updated_at(incident: Incident) -> float:
    moments = [incident.opened_at, incident.escalated_at, incident.closed_at]
    moments += [note.created_at for note in incident.notes]
    return max(moment for moment in moments if moment is not None)


def _lines(incident: Incident) -> list[str]:
    """What happened, in the order of time."""
    lines = [(incident.opened_at, f"Opened. {incident.cause}".rstrip())]
    if incident.escalated_at is not None:
        lines.append((incident.escalated_at, "It is an outage now."))
    if incident.closed_at is not None:
        lines.append((incident.closed_at, "Closed."))
    lines += [(note.created_at, note.text) for note in incident.notes]
    return [f"{format_moment(at)} {text}" for at, text in sorted(lines)]
