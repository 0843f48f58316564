"""How every Postgres of the lab is set up, whatever it runs in."""

from __future__ import annotations

DATABASE = "shop"
ROLE = "shop"
SUPERUSER = "postgres"

# With what an administrator has a service end. A Postgres asked by SIGTERM waits for its clients to leave.
ASK = {"postgres": "SIGINT"}
ASK_OTHERS = "SIGTERM"

SETTINGS = {
    # The data is thrown away with the arm, so nothing waits for the disk: noise that no scenario is about.
    # Commits stay synchronous: without fsync that costs nothing, and a killed server keeps what it confirmed.
    "fsync": "off",
    "full_page_writes": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "1GB",
    "autovacuum": "off",  # comes when it likes, in the middle of somebody's block
    # Parallel workers and the JIT make one query cost two cores now and one then, on a machine that has two.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "pg_stat_statements.track": "all",
    "track_io_timing": "on",
    "logging_collector": "off",
    "log_destination": "stderr",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "shop",
}

# Rows that go into a table made in the same transaction then need no log, and no clone has to carry one.
WHILE_LOADING = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
}

CREATE_ROLE = f"CREATE ROLE {ROLE} LOGIN"
CREATE_DATABASE = f"CREATE DATABASE {DATABASE} OWNER {ROLE}"
CREATE_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"


def arguments(**more: str) -> list[str]:
    """The settings as arguments of the server: ``-c name=value`` each."""
    return [part for name, value in {**SETTINGS, **more}.items() for part in ("-c", f"{name}={value}")]


def superuser_url(port: int, database: str = DATABASE) -> str:
    return f"postgresql://{SUPERUSER}@127.0.0.1:{port}/{database}"


def app_url(host: str, port: int) -> str:
    return f"postgresql://{ROLE}@{host}:{port}/{DATABASE}"
