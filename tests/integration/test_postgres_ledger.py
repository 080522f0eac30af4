"""The ledger in PostgreSQL: what only a database of many machines can meet."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from fingerpost.backends.ledger.address import parse
from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.backends.ledger.migrating import LATEST
from fingerpost.backends.ledger.opening import open_news
from fingerpost.backends.ledger.postgres import open_postgres
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import open_pointers
from fingerpost.errors import (
    DataLoss,
    ErrorReason,
    FailedPrecondition,
    InvalidRequest,
    NotFound,
    StorageFull,
    Unavailable,
)
from fingerpost.ports import PointerNews, Records
from fingerpost.release.audit import sealed, verified
from fingerpost.release.pointing import activate
from fingerpost.settings import read_settings
from fingerpost.types import Action, Activation, Event, Override
from tests.ledgers import Clock, PostgresStore, postgres_store
from tests.postgres import Postgres, running_postgres
from tests.processes import fingerpost
from tests.tcp_proxy import Fault, Proxy, running_proxy
from tests.unit.test_file_store import put

_SOON_SECONDS = 60
"""Far more than anything here takes, and far less than for ever."""


_COMMIT = b"COMMIT\0"
"""The statement alone: each transaction begins with words that hold READ COMMITTED."""


@pytest.fixture
def machine(tmp_path: Path, postgres: Postgres) -> Iterator[PostgresStore]:
    with postgres_store(tmp_path / "one", postgres) as made:
        yield made


@pytest.fixture
def other(tmp_path: Path, machine: PostgresStore) -> Iterator[PostgresStore]:
    """A second machine on the same ledger."""
    with postgres_store(tmp_path / "two", machine.postgres, machine.schema) as made:
        yield made


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[Proxy]:
    with running_proxy(postgres.port) as made:
        yield made


@pytest.fixture
def far(tmp_path: Path, postgres: Postgres, proxy: Proxy) -> Iterator[PostgresStore]:
    """A machine that reaches the database by way of the proxy."""
    with postgres_store(tmp_path / "far", postgres, port=proxy.port) as made:
        made.pointers().activate("default", "first")
        yield made


@contextmanager
def unavailable(words: str) -> Iterator[None]:
    """Refused with UNAVAILABLE and these words, within a time that nobody takes for hanging."""
    started = time.monotonic()
    with pytest.raises(Unavailable, match=words) as caught:
        yield
    assert caught.value.reason == ErrorReason.STORE_UNAVAILABLE
    assert time.monotonic() - started < _SOON_SECONDS


def backends(machine: PostgresStore) -> list[int]:
    """Processes that serve the program's connections to the machine's schema."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'fingerpost' ORDER BY pid"
    return [pid for (pid,) in machine.run(query)]


# --- A connection that breaks --------------------------------------------------------------------------------------


@pytest.mark.fault("D6")
@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.CUT_REPLIED])
def test_a_connection_that_is_cut_in_the_commit(far: PostgresStore, proxy: Proxy, fault: Fault) -> None:
    """Whether the commit arrived or not: the change is repeated with its key, and has exactly one effect."""
    ledger = far.ledger()
    proxy.arm(_COMMIT, fault)
    done = activate(ledger, "os:x", "key", "default", "second", 1)
    assert proxy.fired == 1
    assert done.activation == Activation("default", "second", 2)
    assert [entry.event.revision for entry in ledger.audit()[0]] == ["first", "second"]
    verified(*ledger.audit())
    assert activate(ledger, "os:x", "key", "default", "second", 1) == done


@pytest.mark.fault("D6")
def test_a_commit_whose_outcome_stays_unknown(far: PostgresStore, proxy: Proxy) -> None:
    """When no later attempt gets through, it is told that the change may have been made; as here it was."""
    ledger = far.ledger()
    proxy.arm(_COMMIT, Fault.CUT_REPLIED, times=99)
    with unavailable("is not known"):
        activate(ledger, "os:x", "key", "default", "second", 1)
    assert proxy.fired == 1 + 2, "the repeats find the key, and their own commits are cut too"
    assert far.run("SELECT revision FROM pointers") == [("second",)]


def test_a_connection_that_is_cut_before_the_commit(far: PostgresStore, proxy: Proxy) -> None:
    """When no attempt comes as far as the commit, nothing has changed, and the error does not say otherwise."""
    proxy.arm(b"FOR UPDATE", Fault.CUT_AFTER, times=99)
    with unavailable("cannot be reached"):
        far.pointers().activate("default", "second")
    assert proxy.fired == 3
    assert far.run("SELECT revision FROM pointers") == [("first",)]


@pytest.mark.fault("D6")
def test_a_backend_that_is_ended_in_the_middle(machine: PostgresStore) -> None:
    """An administrator ends the session while the change is at work: the work is done again, with one effect."""
    ledger, calls = machine.ledger(), []

    def work(records: Records) -> Event:
        calls.append(1)
        records.point(Activation("default", "a", 1))
        if len(calls) == 1:
            for pid in backends(machine):
                machine.run(f"SELECT pg_terminate_backend({pid}, 5000)")
        return Event("os:x", Action.ACTIVATE, "default", "a", {"generation": "1"})

    assert ledger.change("key", work).sequence == 1
    assert len(calls) == 2
    assert machine.run("SELECT count(*) FROM audit") == machine.run("SELECT count(*) FROM activations") == [(1,)]


def test_idle_connections_that_broke(machine: PostgresStore) -> None:
    """Connections that were ended while nobody used them are replaced, for reads and for changes."""
    pointers = machine.pointers()
    pointers.activate("default", "a")
    for use in (lambda: pointers.ledger.pointers(), lambda: pointers.activate("default", "b")):
        for pid in backends(machine):
            machine.run(f"SELECT pg_terminate_backend({pid}, 5000)")
        use()
    assert machine.told() == ("b", 2)


# --- A database that is slow, busy or silent -----------------------------------------------------------------------


@pytest.mark.fault("D7")
def test_all_connections_are_in_use(machine: PostgresStore) -> None:
    """Who finds no connection free waits a moment, then is told so."""
    database = open_postgres(machine.data.store, connections=1)
    ledger = SqlLedger(database, Clock(), sealed)

    def work(_: Records) -> Event:
        with unavailable("all connections are in use"):
            activate(ledger, "os:x", "inner", "default", "b")
        return Event("os:x", Action.ACTIVATE, "default", "a", {"generation": "1"})

    ledger.change("outer", work)
    assert [entry.key for entry in ledger.audit()[0]] == ["outer"]
    database.close()


@pytest.mark.fault("D7")
@pytest.mark.parametrize("held", ["SELECT 1 FROM audit_head FOR UPDATE", "LOCK TABLE audit"])
def test_a_lock_that_another_holds(machine: PostgresStore, held: str) -> None:
    """A change waits for another one a moment, then is told so, and nothing has changed."""
    pointers = machine.pointers()
    pointers.activate("default", "a")
    with machine.postgres.connect(machine.schema) as holder, holder.transaction():
        holder.execute(held.encode())
        with unavailable("is busy"):
            pointers.activate("default", "b")
    assert pointers.activate("default", "c").generation == 2
    assert verified(*pointers.ledger.audit()).sequence == 2


def test_a_statement_that_takes_long(machine: PostgresStore) -> None:
    """The server ends it after half a second."""
    database = open_postgres(machine.data.store)
    with unavailable("is busy"):
        database.read(lambda it: it.exec_driver_sql("SELECT pg_sleep(9)").all())
    database.close()


@pytest.mark.fault("D7")
def test_a_backend_that_hangs(machine: PostgresStore) -> None:
    """A process of the server that stops without a word is given up after a second, and nothing has changed."""
    pointers = machine.pointers()
    pointers.activate("default", "a")
    stopped = backends(machine)
    assert stopped
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        with unavailable("no answer"):
            pointers.activate("default", "b")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert pointers.activate("default", "c").generation == 2


def test_a_standby_that_must_confirm_and_does_not(machine: PostgresStore) -> None:
    """What the primary alone has written is not called done: it is not known until the standby is back or given up."""
    ledger = machine.ledger()
    configure = "ALTER SYSTEM SET synchronous_standby_names = '{}'"
    machine.run(configure.format("nobody"))
    machine.run("SELECT pg_reload_conf()")
    try:
        _until(lambda: machine.run("SHOW synchronous_standby_names") == [("nobody",)])
        with unavailable("is not known"):
            activate(ledger, "os:x", "key", "default", "a", 0)
        assert ledger.pointers() == []
    finally:
        machine.run(configure.format(""))
        machine.run("SELECT pg_reload_conf()")
    assert activate(ledger, "os:x", "key", "default", "a", 0).activation.generation == 1
    assert verified(*ledger.audit()).sequence == 1


@pytest.mark.fault("D7")
def test_a_network_that_goes_silent(far: PostgresStore, proxy: Proxy) -> None:
    """A connection on which nothing passes any more is given up after a second."""
    pointers = far.pointers()
    proxy.arm(b"FOR UPDATE", Fault.SILENCE)
    with unavailable("no answer"):
        pointers.activate("default", "second")
    assert proxy.fired == 1
    assert pointers.activate("default", "third").generation == 2


def test_a_client_that_stops_in_the_middle(machine: PostgresStore) -> None:
    """Who falls asleep in the middle of a change loses its connection after a while, so that others go on."""
    database = open_postgres(machine.data.store)
    [limit] = database.read(lambda it: list(it.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalars()))
    database.close()
    assert limit == "10s"


@pytest.fixture
def small_disk(tmp_path: Path, postgres: Postgres) -> Iterator[PostgresStore]:
    """A machine whose ledger has tables on a file system of 1 MiB."""
    place, owner = postgres.home / "small", postgres.home.stat().st_uid
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=1m,uid={owner}", "tmpfs", place], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount the small file system that this test fills")
    schema = postgres.new_schema()
    try:
        postgres.run(f"CREATE TABLESPACE small LOCATION '{place}'")
        with postgres_store(tmp_path, postgres, schema) as made:
            made.data = DataFolder(tmp_path, f"{made.data.store}%20-cdefault_tablespace%3Dsmall")
            made.pointers()
            yield made
        postgres.run(f"DROP SCHEMA {schema} CASCADE")
        postgres.run("CHECKPOINT")  # the files of what was dropped go with it
        postgres.run("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.fault("D7")
def test_no_room_left(small_disk: PostgresStore) -> None:
    """A full disk: STORAGE_FULL, and everything that was acknowledged is there and readable."""
    ledger, acknowledged = small_disk.ledger(), 0

    def fill() -> None:
        nonlocal acknowledged
        for number in range(2_000):
            event = Event("os:x", Action.ACTIVATE, "default", f"{number}", {"filling": os.urandom(2_000).hex()})
            ledger.change(f"key {number}", lambda _, event=event: event)  # type: ignore[misc]
            acknowledged = number + 1

    with pytest.raises(StorageFull):
        fill()
    assert acknowledged > 20
    assert verified(*ledger.audit()).sequence == acknowledged
    assert ledger.pointers() == []


# --- A database that is away, or another one -----------------------------------------------------------------------


@pytest.mark.fault("D5", "X10")
@pytest.mark.parametrize("command", [["rollback"], ["audit", "verify"], ["reindex", "--routes", "routes"]])
def test_commands_without_the_database(tmp_path: Path, command: list[str]) -> None:
    """They say that it cannot be reached, end with 6, and change nothing; no password is shown."""
    url = "postgresql://ann:s3cret@127.0.0.1:1/ledger"
    done = fingerpost(*command, "--data", tmp_path / "data", code=6, FINGERPOST_STORE=url)
    assert "127.0.0.1/ledger" in done.stderr
    assert "cannot be reached" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".ledger.lock"]


def test_commands_with_the_database(machine: PostgresStore, other: PostgresStore) -> None:
    """One machine publishes, and each sees it; the URL is an option or a variable."""
    digest = put(machine.root, "a")
    fingerpost("activate", digest[:12], "--data", machine.root, "--store", machine.data.store)
    done = fingerpost("history", "--data", other.root, "--json", FINGERPOST_STORE=other.data.store)
    [entry] = json.loads(done.stdout)
    assert (entry["action"], entry["revision"], entry["sequence"]) == ("activate", digest, 1)
    assert machine.told() == other.told() == (digest, 1)


@pytest.mark.fault("D7")
def test_failover(tmp_path: Path) -> None:
    """A URL of two hosts finds the one that can be written, before and after they change their roles."""
    with running_postgres() as primary, running_postgres(primary) as standby:
        schema = primary.new_schema()
        with postgres_store(tmp_path, primary, schema) as made:
            made.data = DataFolder(tmp_path, primary.url(schema, standby.port, primary.port))
            pointers = made.pointers()
            pointers.activate("default", "a")
            lsn = primary.run("SELECT pg_current_wal_lsn()::text")[0][0]
            _until(lambda: standby.run(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'") == [(True,)])
            with unavailable("read-only"):
                open_postgres(standby.url(schema))
            primary.stop()
            with unavailable("cannot be reached"):
                pointers.activate("default", "b")
            assert standby.run("SELECT pg_promote()") == [(True,)]
            assert pointers.activate("default", "c").generation == 2
            assert verified(*pointers.ledger.audit()).sequence == 2


def test_a_crash_loses_nothing_that_was_told(tmp_path: Path) -> None:
    """Whatever the database's own settings say of when a commit is done, ours is on the disk before it is told."""
    with running_postgres() as server, postgres_store(tmp_path, server) as made:
        server.run("ALTER SYSTEM SET synchronous_commit = off")
        server.stop()
        server.start(wal_writer_delay="10s")
        pointers = made.pointers()
        for revision in "abc":
            pointers.activate("default", revision)
        server.stop(signal.SIGQUIT)
        server.start()
        assert pointers.read("default") == Activation("default", "c", 3)
        assert verified(*pointers.ledger.audit()).sequence == 3


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _SOON_SECONDS
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.fault("D7")
def test_a_primary_that_becomes_read_only(machine: PostgresStore) -> None:
    """A connection that can only read by now is not kept: the next change asks for one that can write."""
    pointers = machine.pointers()
    pointers.activate("default", "a")
    before = set(backends(machine))
    with machine.postgres.connect() as administrator:
        administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        administrator.execute("SELECT pg_reload_conf()")
        try:
            _until(lambda: administrator.execute("SHOW default_transaction_read_only").fetchone() == ("on",))
            with unavailable("read-only"):
                pointers.activate("default", "b")
        finally:
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            administrator.execute("SELECT pg_reload_conf()")
    _until(lambda: machine.run("SHOW default_transaction_read_only") == [("off",)])
    assert pointers.activate("default", "c").generation == 2
    _until(lambda: before.isdisjoint(backends(machine)))


# --- Several machines ----------------------------------------------------------------------------------------------


def test_programs_that_start_at_once(machine: PostgresStore) -> None:
    """Several programs meet an empty database: one makes the tables, the others wait for it."""
    code = (
        "import sys; from fingerpost.backends.ledger.postgres import open_postgres; open_postgres(sys.argv[1]).close()"
    )
    command = [sys.executable, "-c", code, machine.data.store]
    programs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(program.communicate()[1], program.returncode) for program in programs] == [("", 0)] * 4
    assert machine.run("SELECT sequence FROM audit_head") == [(0,)]


def test_a_migration_that_is_killed(machine: PostgresStore) -> None:
    """Nothing is left of it: the layout is the one of before, until the next program makes it whole."""
    machine.pointers().activate("default", "a")
    machine.take_back()
    before = backends(machine)
    with machine.postgres.connect(machine.schema) as holder, holder.transaction():
        holder.execute("LOCK TABLE audit IN ROW EXCLUSIVE MODE")
        program = subprocess.Popen([sys.executable, "-c", _OPEN, machine.data.store])
        _until(lambda: machine.run(_WAITING) == [(1,)])
        program.kill()
        program.wait()
    _until(lambda: set(backends(machine)) <= set(before))
    assert machine.run("SELECT version_num FROM alembic_version") == [("0001",)]
    assert machine.pointers().read("default") == Activation("default", "a", 1)
    assert machine.run("SELECT version_num FROM alembic_version") == [(LATEST,)]


_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%'"
_OPEN = "import sys; from fingerpost.backends.ledger.postgres import open_postgres; open_postgres(sys.argv[1]).close()"


def test_machines_follow_one_ledger(machine: PostgresStore, other: PostgresStore) -> None:
    """What one machine activates another one tells its servers with its next command; generations go on."""
    machine.pointers().activate("default", "a")
    there = other.pointers()
    assert other.told() == ("a", 1)
    assert there.activate("default", "b", 1).generation == 2
    assert machine.told() == ("a", 1)
    machine.pointers()
    assert machine.told() == ("b", 2)
    assert verified(*there.ledger.audit()).sequence == 2


def test_machines_bring_their_pointers_at_once(machine: PostgresStore, other: PostgresStore) -> None:
    """Two folders that had pointers of their own join one ledger at the same time: one is taken over, once."""
    for one in (machine, other):
        (one.root / "catalogs").mkdir(parents=True)
        (one.root / "catalogs" / "default.json").write_text('{"revision": "old", "generation": 41}\n')
        one.ledger()  # the tables are there: the race is for the pointer
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: one.pointers().read("default"), (machine, other)))
    assert found == [Activation("default", "old", 41)] * 2
    assert [entry.event.action for entry in machine.ledger().audit()[0]] == [Action.IMPORT]


@pytest.mark.parametrize("told", [("later", 3), ("another", 2)])
def test_a_ledger_that_was_restored_from_an_older_backup(machine: PostgresStore, told: tuple[str, int]) -> None:
    """Servers were told what the ledger does not know: nothing is done with it, until somebody decides."""
    pointers = machine.pointers()
    for revision in "ab":
        pointers.activate("default", revision)
    file = machine.root / "catalogs" / "default.json"
    file.write_text(f'{{"revision": "{told[0]}", "generation": {told[1]}}}\n')
    with pytest.raises(DataLoss, match="remove that file") as caught:
        machine.pointers()
    assert caught.value.reason == ErrorReason.STORE_BEHIND
    assert machine.told() == told
    file.unlink()
    machine.pointers()
    assert machine.told() == ("b", 2)


def test_a_folder_never_has_two_ledgers(machine: PostgresStore) -> None:
    """Who forgets the URL is told so, rather than given a ledger of their own."""
    machine.pointers().activate("default", "a")
    with pytest.raises(FailedPrecondition, match="FINGERPOST_STORE") as caught, open_pointers(DataFolder(machine.root)):
        pass
    assert caught.value.reason == ErrorReason.STORE_INCOMPATIBLE
    assert not machine.data.ledger.exists()


def test_a_database_without_the_tables(machine: PostgresStore) -> None:
    """Tables that somebody removed are not made anew without a word."""
    machine.pointers().activate("default", "a")
    machine.run("DROP TABLE activations")
    with pytest.raises(FailedPrecondition, match="restore it"):
        machine.pointers().activate("default", "b")
    machine.run("DROP TABLE pointers")
    with pytest.raises(FailedPrecondition, match="restore it"):
        machine.pointers()


def test_a_damaged_database(machine: PostgresStore) -> None:
    """A page that cannot be read is damage, and told as that."""
    machine.pointers().activate("default", "a")
    [(file,)] = machine.run("SELECT pg_relation_filepath('audit')")
    machine.postgres.stop()
    path = machine.postgres.home / "data" / file
    path.write_bytes(b"\xff" * path.stat().st_size)
    machine.postgres.start()
    with pytest.raises(DataLoss, match="Restore a backup") as caught:
        machine.pointers().ledger.audit()
    assert caught.value.reason == ErrorReason.STORE_CORRUPT
    assert machine.told() == ("a", 1)
    machine.run(f"DROP SCHEMA {machine.schema} CASCADE")


def test_a_database_that_its_user_may_not_use(machine: PostgresStore) -> None:
    """The message says that something must be granted."""
    machine.pointers()
    machine.run(f"CREATE ROLE user_of_{machine.schema} LOGIN")
    machine.run(f"GRANT USAGE ON SCHEMA {machine.schema} TO user_of_{machine.schema}")
    with unavailable("grant"):
        open_postgres(machine.data.store.replace("//fingerpost@", f"//user_of_{machine.schema}@"))


# --- News ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def news(machine: PostgresStore) -> Iterator[PointerNews]:
    listening = open_news(machine.data.store)
    listening.wait(_SOON_SECONDS)  # until it is connected
    yield listening
    listening.close()


def woken_by(news: PointerNews, work: Callable[[], object]) -> bool:
    """Whether the work ends a wait that would have been a long one."""
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        waiting = pool.submit(news.wait, _SOON_SECONDS)
        work()
        waiting.result()
        return time.monotonic() - started < _SOON_SECONDS


def test_news_of_a_pointer_that_moved(machine: PostgresStore, news: PointerNews) -> None:
    """Whoever waits is woken when a pointer has moved, and by nothing that was rolled back."""
    pointers = machine.pointers()
    assert woken_by(news, lambda: pointers.activate("default", "a"))
    with pytest.raises(NotFound):
        pointers.ledger.change("key", _moving_in_vain)
    started = time.monotonic()
    news.wait(0.1)
    assert time.monotonic() - started >= 0.1
    assert woken_by(news, lambda: machine.run("UPDATE pointers SET generation = 9")), "whoever moves it"


def test_news_of_what_was_set_by_hand(machine: PostgresStore, news: PointerNews) -> None:
    """Whoever waits is woken when something was set, and when it was taken back."""
    ledger, event = machine.ledger(), Event("os:x", Action.SET, "default", "")
    override = Override("default", "breaker", "coder", {"open": "true"}, "os:x", 1)

    def put(records: Records) -> Event:
        records.put_override(override)
        return event

    def drop(records: Records) -> Event:
        records.drop_override("default", "breaker", "coder")
        return event

    assert woken_by(news, lambda: ledger.change("one", put))
    assert woken_by(news, lambda: ledger.change("two", drop))


def _moving_in_vain(records: Records) -> Event:
    records.point(Activation("default", "z", 7))
    raise NotFound("no")


@pytest.mark.fault("D10")
def test_news_after_the_connection_broke(machine: PostgresStore, news: PointerNews) -> None:
    """A connection that broke is made anew; what was missed meanwhile ends the wait too."""
    assert woken_by(news, lambda: [machine.run(f"SELECT pg_terminate_backend({pid})") for pid in backends(machine)])
    assert woken_by(news, lambda: None), "connected again: something may have been missed"
    pointers = machine.pointers()
    assert woken_by(news, lambda: pointers.activate("default", "a"))


def test_news_without_a_database() -> None:
    """Nobody answers: it waits its time and never raises; `close` ends it at once."""
    news = open_news("postgresql://127.0.0.1:1/ledger")
    started = time.monotonic()
    news.wait(0.1)
    assert time.monotonic() - started >= 0.1
    assert woken_by(news, news.close)
    news.wait(_SOON_SECONDS)
    assert time.monotonic() - started < _SOON_SECONDS


# --- Addresses and secrets -----------------------------------------------------------------------------------------

_SECRETS = [
    "postgresql://ann:s3c/ret@host/db",
    "postgresql://ann:s3c@ret@host/db",
    "postgresql://ann:pass@s3c:ret@host/db",
    "postgresql://ann:s3c%ret@host/db",
    "postgresql://ann:s3c/r?et@host/db",
    "postgresql://ann:s3cret@host/db?nonsense=1",
    "mysql://ann:s3cret@host/db",
    "host=host password=s3cret",
    "s3cret",
]


@pytest.mark.parametrize("url", _SECRETS)
def test_what_is_no_address(url: str) -> None:
    """It is refused with how to write one, and nothing of it is repeated."""
    with pytest.raises(InvalidRequest, match="postgresql://USER:PASSWORD@HOST:PORT/NAME") as caught:
        parse(url)
    assert "s3c" not in f"{caught.value!r} {caught.value.fields} {caught.value.__context__!r}"


def test_no_password_is_shown(postgres: Postgres) -> None:
    """Neither in what a refused login says, nor where a folder, the settings or an address are printed."""
    postgres.run("DO $$ BEGIN CREATE ROLE guarded LOGIN PASSWORD 'right'; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    url = postgres.url().replace("//fingerpost@", "//guarded:s3cret%21@")
    with pytest.raises(Unavailable, match="password authentication failed") as caught:
        open_postgres(url)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {DataFolder(Path(), url)} {parse(url)!r}"
    shown += f"{read_settings({'store': url, 'shared': url})!r}"
    assert "s3cret" not in shown
    with pytest.raises(InvalidRequest) as refused:
        read_settings({"store": [url]})
    assert "s3cret" not in f"{refused.value!r} {refused.value.__cause__!r}"
    assert parse(url).without_secret("it was s3cret!, or not") == "it was ***, or not"


def test_schemes(postgres: Postgres) -> None:
    """The URL may name the driver too."""
    schema = postgres.new_schema()
    for scheme in ("postgresql+psycopg://", "postgres://"):
        open_postgres(postgres.url(schema).replace("postgresql://", scheme)).close()


_WITHOUT_DRIVER = """
import sys
sys.modules["psycopg"] = None
from fingerpost.cli import run
sys.argv = ["fingerpost", "history", "--data", sys.argv[1], *sys.argv[2:]]
run()
"""


def test_without_the_packages(tmp_path: Path) -> None:
    """A missing package is told with the extra that has it."""
    command = [sys.executable, "-c", _WITHOUT_DRIVER, str(tmp_path)]
    done = subprocess.run([*command, "--store", "postgresql://x/y"], capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'fingerpost[postgres]'" in done.stderr) == (6, True), done.stderr
