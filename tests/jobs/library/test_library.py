"""The library on both databases: what is in it, how it is found, and what becomes of it over time."""

from __future__ import annotations

from itertools import pairwise

import pytest
import sqlalchemy as sa

from hinode.errors import BadInput
from hinode.jobs.job import Job, Unfinished
from hinode.jobs.library import filters
from hinode.jobs.library import lineage as lineage_module
from hinode.jobs.library.archives import file_names
from hinode.jobs.library.collections import Collections
from hinode.jobs.library.entries import ENTRIES, Library
from hinode.jobs.library.entry import Change, Filter, Missing, StaleRevision
from hinode.jobs.library.lineage import Lineages
from hinode.jobs.library.storage import StorageFull
from hinode.jobs.library.trash import Trash
from hinode.jobs.library.words import difference, normalise
from hinode.jobs.store import Store
from hinode.records.database import Database
from hinode.records.tables import artifacts, jobs, library, parents, projects
from hinode.request import MediaFile
from tests.jobs.service import DAY, FILES, START, Clock, add_projects, draft

P = "proj_1"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    add_projects(database)
    return Store(database, clock)


@pytest.fixture
def shelf(store: Store) -> Library:
    return Library(store.database, store.clock)


def files_of(name: str, size: int) -> dict[str, MediaFile]:
    return {"video": MediaFile(f"{name:x<64}", "video/mp4", size), "thumbnail": FILES["thumbnail"]}


def make(store: Store, prompt: str = "a red kite", *, retention: float = 7 * DAY, **values: object) -> Job:
    """A finished video."""
    store.clock.now += 1  # type: ignore[attr-defined]
    job = store.submit([draft(prompt=prompt, **values)]).jobs[0]
    lease = store.claim(store.register_worker("here", 1), host="here")
    assert lease is not None
    store.finish(lease, files_of(job.id[-20:], 100), {}, retention)
    return job


def found(shelf: Library, order: str = "newest", **conditions: object) -> list[str]:
    page, more, total = shelf.page(P, Filter(**conditions), order=order, after=None, limit=50)  # type: ignore[arg-type]
    assert (more, total) == (False, len(page))
    return [entry.id for entry in page]


@pytest.mark.both_databases
def test_words_are_found_whatever_their_case_and_accents(store: Store, shelf: Library) -> None:
    kite = make(store, "Ein ROTER Drachen über Łódź, 100% leise")
    other = make(store, "a blue whale_song")
    for q in ("", "roter", "Über lodz", "DRACHEN 100", "drache leise"):
        assert kite.id in found(shelf, q=q), q
    assert found(shelf, q="whale_s") == [other.id]
    assert found(shelf, q="whaleXs") == found(shelf, q="kite") == []
    shelf.change(P, kite.id, Change(title="Été à la mer", tags=("Größe", "grösse", "🔥")))
    assert found(shelf, q="ete MER grosse roter") == [kite.id]
    assert found(shelf, tag="GROSSE") == found(shelf, tag="🔥") == [kite.id]
    assert shelf.tags(P) == [("Größe", 1), ("🔥", 1)]
    shelf.change(P, kite.id, Change(title="", tags=()))
    assert found(shelf, q="ete") == found(shelf, tag="🔥") == []


@pytest.mark.both_databases
def test_filters_orders_and_pages(store: Store, shelf: Library, clock: Clock) -> None:
    first, second, third = make(store), make(store, retention=60.0), make(store)
    running = store.submit([draft()]).jobs[0]
    foreign = store.submit([draft("proj_2")]).jobs[0]
    with store.database.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == second.id).values(seconds=9.0))
    assert found(shelf) == [third.id, second.id, first.id]
    assert found(shelf, "oldest") == [first.id, second.id, third.id]
    assert found(shelf, "longest") == [second.id, third.id, first.id]
    page, more, total = shelf.page(P, Filter(), order="longest", after=third.id, limit=1)
    assert ([entry.id for entry in page], more, total) == ([first.id], False, 3)
    assert found(shelf, status="queued") == [running.id]
    assert found(shelf, since=int(START) + 2, until=int(START) + 2) == [second.id]
    assert found(shelf, engine="native") == found(shelf, operation="edit") == []
    assert len(found(shelf, engine="testcard", model="sora-2", operation="generate")) == 3
    shelf.change(P, first.id, Change(favourite=True))
    assert (found(shelf, favourite=True), len(found(shelf, favourite=False))) == ([first.id], 2)
    clock.now += 100
    assert (found(shelf), found(shelf, status="expired")) == ([third.id, first.id], [second.id])
    with pytest.raises(Missing, match="no video"):
        found(shelf, parent=foreign.id)
    assert shelf.get(P, foreign.id) is None
    assert shelf.change(P, foreign.id, Change(title="mine")) is None


@pytest.mark.both_databases
def test_an_old_revision_changes_nothing(store: Store, shelf: Library) -> None:
    job = make(store)
    entry = shelf.change(P, job.id, Change(title="one", revision=1))
    assert entry is not None
    assert (entry.title, entry.revision) == ("one", 2)
    with pytest.raises(StaleRevision, match="its revision is 2, not 1"):
        shelf.change(P, job.id, Change(title="two", revision=1))
    for change in (Change(title="x" * 201), Change(tags=("",)), Change(notes="\0")):
        with pytest.raises(BadInput):
            shelf.change(P, job.id, change)
    after = shelf.get(P, job.id)
    assert after is not None
    assert (after.title, after.revision) == ("one", 2)


@pytest.mark.both_databases
def test_collections_have_videos_and_leave_them(store: Store, shelf: Library) -> None:
    job = make(store)
    collections = Collections(store.database, store.clock)
    mine, foreign = collections.create(P, "Trailer"), collections.create("proj_2", "Trailer")
    shelf.change(P, job.id, Change(collections=(mine.id, mine.id)))
    assert found(shelf, collection=mine.id) == [job.id]
    for name in (foreign.id, "coll_0"):
        with pytest.raises(Missing):
            shelf.change(P, job.id, Change(collections=(name,)))
        with pytest.raises(Missing):
            found(shelf, collection=name)
        assert collections.rename(P, name, "mine", None) is None
        assert not collections.delete(P, name)
    renamed = collections.rename(P, mine.id, "Teaser", 1)
    assert renamed is not None
    assert (renamed.name, renamed.revision, renamed.clips) == ("Teaser", 2, 1)
    with pytest.raises(StaleRevision):
        collections.rename(P, mine.id, "Film", 1)
    assert collections.delete(P, mine.id)
    entry = shelf.get(P, job.id)
    assert entry is not None
    assert (entry.collections, entry.revision) == ((), 3)


@pytest.mark.both_databases
def test_what_is_in_the_trash_comes_back_or_goes_after_a_day(
    store: Store, shelf: Library, clock: Clock
) -> None:
    trash = Trash(store.database, clock)
    kept, gone = make(store), make(store)
    waiting = store.submit([draft()]).jobs[0]
    shelf.change(P, gone.id, Change(title="secret", tags=("secret",)))
    with pytest.raises(Unfinished):
        trash.move(P, [kept.id, waiting.id])
    with pytest.raises(Missing):
        trash.move("proj_2", [kept.id])
    trash.move(P, [kept.id, gone.id])
    assert found(shelf) == found(shelf, q="secret") == shelf.tags(P) == []
    assert [job.id for job in store.jobs(P, after=None, limit=9, descending=True)[0]] == [waiting.id]
    assert len(shelf.trash(P, after=None, limit=9)[0]) == 2
    clock.now += DAY - 1
    assert store.expire() == []
    trash.restore(P, [kept.id])
    clock.now += 1
    assert store.expire() == [gone.id]
    assert (store.expire(), found(shelf), store.artifacts(gone.id)) == ([], [kept.id], {})
    assert store.job(P, gone.id) is None
    with pytest.raises(Missing):
        trash.restore(P, [gone.id])
    with store.database.read() as connection:
        row = connection.execute(sa.select(library).where(library.c.job_id == gone.id)).one()
    assert (row.title, row.words, row.changed_at) == (None, "", clock.now)


@pytest.mark.both_databases
def test_a_lineage_has_all_parents_and_children(store: Store, shelf: Library, clock: Clock) -> None:
    lineages = Lineages(store.database, clock)
    one, two = make(store, "a red kite"), make(store, "a blue boat", retention=60.0)
    blend = make(store, "a red kite", source_id=one.id, parents=(one.id, two.id))
    film = make(store, "A red KITE at night", source_id=blend.id, relation="finish")
    other = make(store, "a red cat", source_id=one.id)
    stranger = make(store)
    clock.now += 100
    store.expire()
    lineage = lineages.of(P, blend.id)
    assert lineage is not None
    assert [(node.id, node.expired) for node in lineage.nodes] == [
        (one.id, False),
        (two.id, True),
        (blend.id, False),
        (film.id, False),
    ]
    assert list(store.artifacts(two.id)) == ["thumbnail"]
    edges = {(edge.parent, edge.child): edge for edge in lineage.edges}
    assert set(edges) == {(one.id, blend.id), (two.id, blend.id), (blend.id, film.id)}
    last = edges[blend.id, film.id]
    assert (last.operation, last.removed, last.added) == ("finish", (), ("at", "night"))
    assert edges[two.id, blend.id].removed == ("blue", "boat")
    assert found(shelf, parent=one.id) == [other.id, blend.id]
    below = lineages.of(P, one.id)
    assert below is not None
    assert {node.id for node in below.nodes} == {one.id, blend.id, film.id, other.id}
    alone = lineages.of(P, stranger.id)
    assert alone is not None
    assert (len(alone.nodes), alone.edges) == (1, ())
    assert lineages.of("proj_2", one.id) is None
    Trash(store.database, clock).move(P, [blend.id])
    above = lineages.of(P, film.id)
    assert above is not None
    assert [node.id for node in above.nodes] == [film.id]


@pytest.mark.both_databases
def test_a_long_lineage_is_cut_and_a_circle_ends(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [job.id for job in store.submit([draft()] * 30).jobs]
    steps = [{"job_id": b, "parent_id": a, "operation": "extend"} for a, b in pairwise([*names, names[0]])]
    with store.database.write() as connection:
        connection.execute(parents.insert(), steps)
    lineages = Lineages(store.database, clock)
    for maximum, count in ((20, 20), (30, 30)):
        monkeypatch.setattr(lineage_module, "MAX_NODES", maximum)
        lineage = lineages.of(P, names[0])
        assert lineage is not None
        assert (len(lineage.nodes), lineage.truncated) == (count, count < 30)


@pytest.mark.both_databases
def test_a_full_project_is_told_how_many_bytes_to_free(store: Store, shelf: Library, clock: Clock) -> None:
    job = make(store)  # 100 bytes and a thumbnail of 7
    upload = MediaFile("u" * 64, "image/png", 50)
    made = make(store, inputs={"source": files_of(job.id[-20:], 100)["video"], "first_frame": upload})
    usage, largest = shelf.usage(P)
    assert {share.kind: share.bytes for share in usage.by_kind} == {"clips": 200, "stills": 7, "inputs": 50}
    assert (usage.bytes, usage.clips, {entry.id for entry in largest}) == (257, 2, {job.id, made.id})

    def limit(size: int | None) -> None:
        with store.database.write() as connection:
            owner = projects.c.id == P
            connection.execute(projects.update().where(owner).values(storage_limit_bytes=size))

    limit(257)
    with pytest.raises(StorageFull, match=r"take 257 of the 257 bytes .*; free 1 byte or more"):
        store.submit([draft()])
    store.submit([draft("proj_2")])
    Trash(store.database, clock).move(P, [made.id])
    assert (shelf.usage(P)[0].bytes, shelf.usage(P)[0].trash_bytes) == (107, 257)
    store.submit([draft()])
    limit(7)
    with pytest.raises(StorageFull, match="free 101 bytes"):
        store.submit([draft()])
    limit(None)
    store.submit([draft()])


@pytest.mark.both_databases
def test_videos_of_an_earlier_version_are_entered(store: Store, shelf: Library) -> None:
    first = make(store, "a green kite")
    second = make(store, source_id=first.id)
    with store.database.write() as connection:
        for table in (library, parents):
            connection.execute(table.delete())
    assert found(shelf) == [second.id, first.id]  # even before
    assert found(shelf, q="green") == []
    shelf.fill()
    assert found(shelf, q="green") == [first.id]
    assert found(shelf, parent=first.id) == [second.id]
    assert shelf.fill() == 0


def test_lists_of_ten_thousand_videos_come_from_indexes(store: Store, shelf: Library) -> None:
    """Nothing reads a whole table, and the usual list sorts nothing."""
    made = make(store)
    with store.database.write() as connection:
        columns = [column for column in jobs.c if column.key != "id"]
        query = sa.select(*columns).where(jobs.c.id == made.id)
        values = connection.execute(query).one()
        row = {column.key: value for column, value in zip(columns, values, strict=True)}
        names = [f"video_{index:012x}{'0' * 20}" for index in range(10_000)]
        connection.execute(jobs.insert(), [{**row, "id": name} for name in names])
        entry = {"project_id": P, "words": "a red kite", "changed_at": START}
        connection.execute(library.insert(), [{**entry, "job_id": name} for name in names])
        file = {"role": "video", "media_type": "video/mp4", "bytes": 5}
        connection.execute(
            artifacts.insert(), [{**file, "job_id": name, "digest": f"{name:x<64}"} for name in names]
        )
    page, more, total = shelf.page(P, Filter(q="kite red"), after=None, limit=50)
    assert (len(page), more, total) == (50, True, 10_001)
    every = (
        Filter(),
        Filter(q="kite"),
        Filter(tag="a"),
        Filter(favourite=True),
        Filter(collection="coll_1"),
        Filter(parent=made.id),
        Filter(since=1, until=2, engine="testcard"),
        Filter(status="failed"),
    )
    with store.database.read() as connection:
        for which in every:
            conditions = filters.conditions(P, which, START)
            for order in (jobs.c.id.desc(), jobs.c.seconds.desc()):
                query = ENTRIES.where(*conditions).order_by(order).limit(51)
                plan = explained(connection, query)
                assert not [step for step in plan if step.startswith("SCAN")], (which, plan)
            if which == Filter():
                plan = explained(connection, ENTRIES.where(*conditions).order_by(jobs.c.id.desc()).limit(51))
                assert not any("TEMP B-TREE" in step for step in plan), plan
                counted = explained(connection, sa.select(sa.func.count()).where(*conditions))
                assert any("COVERING INDEX ix_jobs_kept" in step for step in counted), counted


def explained(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> list[str]:
    """The steps of SQLite for a query."""
    text = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    return [row[3] for row in connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}".replace(":", r"\:")))]


def test_words_of_a_text() -> None:
    assert normalise("  Żółć & ÆTHER—ﬁn 東京 ") == "zolc aether fin 東京"
    assert difference("a red kite, a red boat", "a boat, a Red cat") == (["kite", "red"], ["cat"])


def test_names_of_files_are_different_and_possible_everywhere() -> None:
    titles = ["Kite", "kite", "Kite (2)", "a/b\\c:d?", "...", "", "NUL", "é" * 200, "x\n\0y"]
    names = file_names(titles, ".mp4")
    assert len({name.casefold() for name in names}) == len(titles)
    assert names[:4] == ["Kite.mp4", "kite (2).mp4", "Kite (2) (2).mp4", "a b c d.mp4"]
    assert names[4:7] == ["video.mp4", "video (2).mp4", "NUL_.mp4"]
    assert (len(names[7].encode()), names[8]) == (124, "x y.mp4")
