"""Rows from before the migration to durable jobs."""

from __future__ import annotations

from pathlib import Path

import alembic.command
from alembic.config import Config
from sqlalchemy import text

from smartypants.ledger import jobs, leases
from smartypants.ledger.database import connect
from smartypants.ledger.migrating import MIGRATIONS, migrate


def test_jobs_of_the_former_rules_are_queued_again(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'old.db'}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0001")
        for job_id, state in (("a", "running"), ("b", "running"), ("c", "succeeded")):
            connection.execute(
                text(
                    "INSERT INTO jobs (id, kind, collection, params, state, progress, runner,"
                    " attempts, created_at, heartbeat_at)"
                    " VALUES (:id, 'ingest', 'docs', '{}', :state, '{}', 'r', 1, 1.0, 1.0)"
                ),
                {"id": job_id, "state": state},
            )
    migrate(engine)
    found = {job_id: jobs.get(engine, job_id) for job_id in "abc"}
    assert [job.state for job in found.values()] == ["queued", "queued", "succeeded"]
    assert [job.exclusive for job in found.values()] == ["a", "b", "c"]
    assert (found["a"].priority, found["a"].wanted, found["a"].runner) == (5, "run", None)
    for _ in range(2):
        assert leases.claim(engine, "r", lease_s=9) is not None
    assert leases.claim(engine, "r", lease_s=9) is None
