"""A PostgreSQL server of the test session, with an empty database for each test."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from smartypants.ledger.database import connect, migrate
from smartypants.ledger.schema import metadata
from tests.ports import free_port

START_TIMEOUT_S = 60.0
ROLE = "smartypants"
LOCKED_ROLE = "locked"
"""A role that the server asks for its password, once a test has made it."""

_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "deadlock_timeout": "200ms",
}

_WRITTEN = " UNION ALL ".join(
    f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})"  # noqa: S608 - names of ours
    for name in metadata.tables
)
"""Asks for the tables of the ledger that have rows."""
_COUNTED = "SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL"


class PostgresServer:
    """Makes databases and drops them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._made = 0
        self._migrated = False
        self._admin: Engine | None = None
        self._emptying: Engine | None = None

    def url(self, database: str, role: str = ROLE) -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    @property
    def admin(self) -> Engine:
        if self._admin is None:
            url = self.url("postgres").replace("postgresql:", "postgresql+psycopg:")
            self._admin = create_engine(url, isolation_level="AUTOCOMMIT")
        return self._admin

    def execute(self, statement: str) -> None:
        """Run a statement as the superuser, outside of the databases of tests."""
        with self.admin.connect() as connection:
            connection.execute(text(statement))

    @contextmanager
    def database(self, options: str = "") -> Iterator[str]:
        """The URL of a new database without tables, dropped with the block."""
        self._made += 1
        name = f"test{self._made}"
        self.execute(f"CREATE DATABASE {name} {options}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def ledger(self) -> Iterator[str]:
        """The URL of a ledger without rows: one database, emptied again after each block."""
        url = self.url("ledger")
        if not self._migrated:
            self.execute("CREATE DATABASE ledger")
            migrate(connect(url))
            self._migrated = True
        yield url
        with self._ledger(url).begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = 'ledger' AND pid <> pg_backend_pid()"
                )
            )
            # Without triggers: those of the audit log refuse it, those of foreign keys take time.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            # Truncating all tables takes longer than most tests.
            for name in connection.scalars(text(_WRITTEN)).all():
                connection.execute(text(f"DELETE FROM {name}"))  # noqa: S608 - names of ours
            for name in connection.scalars(text(_COUNTED)).all():
                connection.execute(text(f"ALTER SEQUENCE {name} RESTART"))

    def _ledger(self, url: str) -> Engine:
        if self._emptying is None:
            url = url.replace("postgresql:", "postgresql+psycopg:")
            self._emptying = create_engine(url, pool_pre_ping=True)  # tests end connections
        return self._emptying

    def close(self) -> None:
        for engine in (self._admin, self._emptying):
            if engine is not None:
                engine.dispose()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server on a free loopback port; it ends with the block, or with this process."""
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    shutil.chown(folder, user)
    as_user = ["setpriv", "--pdeathsig", "QUIT"]
    if os.getuid() == 0:
        entry = pwd.getpwnam(user)
        ids = ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups"]
        as_user = ["setpriv", *ids, "--pdeathsig", "QUIT"]
    data = folder / "data"
    # ICU's order of texts is not that of their bytes, as in most databases of the world.
    locale = ["--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en-US"]
    init = [_binary("initdb"), "-D", data, "-U", ROLE, "-A", "trust", "--no-sync", *locale]
    try:
        made = subprocess.run(
            [*as_user, *init], cwd="/", capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        rules = data / "pg_hba.conf"
        rules.write_text(f"host all {LOCKED_ROLE} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        port = free_port()
        options = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        place = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder]
        with (folder / "log").open("wb") as output:
            process = subprocess.Popen(
                [*as_user, _binary("postgres"), *place, *options],
                cwd="/",
                stdout=output,
                stderr=output,
            )
        try:
            _wait(process, port, folder / "log")
            server = PostgresServer(port)
            yield server
            server.close()
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait()
    finally:
        shutil.rmtree(folder)


def _user() -> str:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _binary(name: str) -> str:
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
    if found is None:
        raise RuntimeError(
            f"PostgreSQL's {name} is not installed, which the tests need. "
            "Run tests/servers/install (as root), or install the package postgresql."
        )
    return found


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    check = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(check, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")
        time.sleep(0.05)
