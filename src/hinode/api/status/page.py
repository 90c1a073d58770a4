"""The status page: HTML without a script, which a browser without styles shows in a good order too."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as xml

from hinode.jobs.markup import ATOM_TYPE, add_element, format_moment
from hinode.jobs.status.budget import Tally
from hinode.jobs.status.objectives import DAY, WINDOW_DAYS
from hinode.jobs.status.report import FAILING, OPERATIONAL, UNKNOWN, Component, Day, Incident, Report

STYLES = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(STYLES.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
TITLES = {
    OPERATIONAL: "Everything works",
    FAILING: "A probe has just failed",
    UNKNOWN: "The status is unknown",
    "degraded": "Some parts do not work",
    "outage": "There is an outage",
}
STATES = {
    OPERATIONAL: "Works",
    FAILING: "Just failed",
    UNKNOWN: "Unknown",
    "degraded": "Degraded",
    "outage": "Outage",
}
FAIR = 0.95
"""Availability of a day below which it is drawn as bad."""
BAR, GAP, HEIGHT, MIN_HEIGHT = 6, 2, 32, 5
"""Of the picture of a day, in its own units; what was measured is at least as high as the last."""
UNITS = ((DAY, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def render(report: Report, *, is_outdated: bool = False) -> bytes:
    """The page of a report; `is_outdated` says that the database did not answer since."""
    document = xml.Element("html", lang="en")
    head = add_element(document, "head")
    add_element(head, "meta", charset="utf-8")
    add_element(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    add_element(head, "meta", name="color-scheme", content="light dark")
    add_element(head, "title", f"{TITLES[report.state]} – Hinode status")
    add_element(head, "link", rel="icon", href="icon.svg", type="image/svg+xml")
    add_element(head, "link", rel="alternate", href="status.atom", type=ATOM_TYPE, title="Incidents")
    add_element(head, "style", STYLES)
    main = add_element(add_element(document, "body"), "main")
    add_element(main, "p", "Hinode status", **{"class": "brand"})
    _add_summary(main, report, is_outdated)
    for incident in report.incidents:
        if incident.closed_at is None:
            _add_incident(main, incident, "h2")
    if report.components:
        section = add_element(main, "section", **{"aria-labelledby": "components"})
        add_element(section, "h2", "Components", id="components")
        for component in report.components:
            _add_component(section, component)
    _add_past(main, [incident for incident in report.incidents if incident.closed_at is not None])
    _add_footer(main)
    text: bytes = xml.tostring(document, encoding="utf-8", method="html")
    return b"<!doctype html>\n" + text


def _add_summary(main: xml.Element, report: Report, is_outdated: bool) -> None:
    box = add_element(main, "header", **{"class": f"summary {report.state}"})
    add_element(box, "h1", TITLES[report.state])
    line = add_element(box, "p")
    if report.reported_at is None:
        line.text = "Nothing has been probed yet."
    elif not report.prober_runs:
        _add_time(line, "The prober has not reported since ", report.reported_at)
        line[0].tail = ". Below is what it measured."
    else:
        line.text = f"Each part is probed again {report.interval:g}\u00a0s after its last probe."
    if is_outdated:
        add_element(box, "p", "The database does not answer at the moment, so this is what was last read.")
    _add_time(add_element(box, "p", **{"class": "small"}), "As of ", report.at)


def _add_component(section: xml.Element, component: Component) -> None:
    article = add_element(section, "article")
    row = add_element(article, "div", **{"class": "row"})
    add_element(row, "h3", component.title)
    add_element(row, "span", STATES[component.state], **{"class": f"state {component.state}"})
    if component.message:
        add_element(article, "p", component.message)
    _add_bars(article, component)
    scale = add_element(article, "div", **{"class": "row small"})
    add_element(scale, "span", f"{WINDOW_DAYS} days ago")
    add_element(scale, "span", _describe_window(component.tally))
    add_element(scale, "span", "Today")
    promise = component.objective.promise
    left = max(0.0, component.budget.left)
    text = f"{promise} Objective: {100 * component.objective.target:g}\u00a0% of the time. "
    text += f"Error budget left: {100 * left:.0f}\u00a0%. Last probe: {component.seconds:.2f}\u00a0s."
    add_element(article, "p", text, **{"class": "small"})
    for rule in component.alerts[:1]:
        text = f"The error budget is spent more than {rule.burn_rate:g} times too fast"
        add_element(article, "p", f"{text} ({rule.long} and {rule.short}).", **{"class": "small warning"})


def _add_bars(article: xml.Element, component: Component) -> None:
    """One bar for each day. Its filled part is the share of the day that was measured."""
    measured = sum(1 for day in component.days if day.tally.availability is not None)
    bad = sum(1 for day in component.days if day.tally.bad > 0)
    width = len(component.days) * (BAR + GAP) - GAP
    label = f"{measured} of {len(component.days)} days measured, failures on {bad} of them"
    attributes = {"viewBox": f"0 0 {width} {HEIGHT}", "preserveAspectRatio": "none", "role": "img"}
    svg = add_element(article, "svg", **attributes, **{"aria-label": label, "class": "bars"})
    for number, day in enumerate(component.days):
        group = add_element(svg, "g")
        add_element(group, "title", _describe(day))
        box = {"x": str(number * (BAR + GAP)), "width": str(BAR)}
        add_element(group, "rect", **box, y="0", height=str(HEIGHT), **{"class": "unknown"})
        share = _measured_share(day)
        if share > 0:
            height = max(MIN_HEIGHT, HEIGHT * share)
            kind = _kind(day.tally, component.objective.target)
            position = {"y": f"{HEIGHT - height:.1f}", "height": f"{height:.1f}"}
            add_element(group, "rect", **box, **position, **{"class": kind})


def _describe_window(tally: Tally) -> str:
    share, measured = tally.availability, tally.good + tally.bad
    if share is None:
        return "Not measured"
    is_whole = measured >= (WINDOW_DAYS - 1) * DAY
    return f"{_percent(share)} good" + ("" if is_whole else f" of {_duration(measured)}")


def _measured_share(day: Day) -> float:
    measured = day.tally.good + day.tally.bad
    passed = measured + day.unknown
    return min(1.0, measured / passed) if passed > 0 else 0.0


def _kind(tally: Tally, target: float) -> str:
    share = tally.availability or 0.0
    return "good" if share >= target else "fair" if share >= FAIR else "bad"


def _describe(day: Day) -> str:
    date = datetime.fromtimestamp(day.start, UTC).date().isoformat()
    share = day.tally.availability
    if share is None:
        return f"{date}: not measured"
    parts = [f"{_percent(share)} good"]
    if day.tally.bad >= 1:
        parts.append(f"{_duration(day.tally.bad)} bad")
    if day.unknown >= 60:
        parts.append(f"{_duration(day.unknown)} not measured")
    return f"{date}: {', '.join(parts)}"


def _add_incident(parent: xml.Element, incident: Incident, heading: str) -> None:
    state = incident.impact.value if incident.closed_at is None else "closed"
    article = add_element(parent, "article", id=incident.id, **{"class": f"incident {state}"})
    add_element(article, heading, f"{incident.title}: {incident.impact.value}")
    entries = [(incident.opened_at, incident.cause or "It opened.", "small")]
    if incident.escalated_at is not None:
        entries.append((incident.escalated_at, "It is an outage now.", "small"))
    if incident.closed_at is not None:
        took = _duration(incident.closed_at - incident.opened_at)
        entries.append((incident.closed_at, f"It closed after {took}.", "small"))
    entries += [(note.created_at, note.text, "note") for note in incident.notes]
    events = add_element(article, "ol")
    for at, text, kind in sorted(entries):
        entry = add_element(events, "li", **{"class": kind})
        _add_time(entry, "", at)
        add_element(entry, "p", text)


def _add_past(main: xml.Element, incidents: Sequence[Incident]) -> None:
    section = add_element(main, "section", **{"aria-labelledby": "past"})
    add_element(section, "h2", "Past incidents", id="past")
    if not incidents:
        add_element(section, "p", f"There was none in the last {WINDOW_DAYS} days.", **{"class": "small"})
    for incident in incidents:
        _add_incident(section, incident, "h3")


def _add_footer(main: xml.Element) -> None:
    footer = add_element(main, "footer", **{"class": "small"})
    legend = add_element(footer, "p", **{"class": "legend"})
    for kind, text in (
        ("good", "objective met"),
        ("fair", "missed"),
        ("bad", f"less than {100 * FAIR:g}\u00a0% good"),
        ("unknown", "not measured"),
    ):
        add_element(add_element(legend, "span", **{"class": f"key {kind}"}), "span", text)
    links = add_element(footer, "p")
    add_element(links, "a", "JSON", href="status.json").tail = " · "
    add_element(links, "a", "Atom", href="status.atom").tail = " · Times are in UTC."


def _add_time(parent: xml.Element, before: str, moment: float) -> None:
    parent.text = before or None
    add_element(parent, "time", _moment(moment), datetime=format_moment(moment))


def _moment(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _percent(share: float) -> str:
    """A share in percent, never rounded up to 100."""
    return "100\u00a0%" if share >= 1.0 else f"{min(99.99, 100 * share):.2f}\u00a0%"


def _duration(seconds: float) -> str:
    """The two largest units of a time: "1 h 5 min"."""
    parts, rest = [], max(1.0, round(seconds))
    for size, unit in UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:.0f}\u00a0{unit}")
    return " ".join(parts[:2])
