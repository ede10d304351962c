"""Joins a Ray cluster, or starts a local one with the switches that we measured."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import ray
import structlog

from smartypants import machine, ports, processes
from smartypants.errors import SetupError
from smartypants.settings import Settings

log = structlog.get_logger(__name__)

# All of these must be in the environment before Ray starts, and before Ray Serve is imported by
# whoever deploys: handles take what he has along. docs/decisions.md has the figures.
ENVIRONMENT = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_worker_niceness": "0",  # niced workers starve beside anything else on the machine
    # The proxy's defaults (30 s to start, 5 s three times) are short while a model loads beside it.
    "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
    # A pipeline that was killed keeps its share of the CPUs for so long, by default 180 s; those
    # that live renew theirs every 10.
    "RAY_DATA_AUTOSCALING_REQUEST_EXPIRE_TIME_S": "30",
    # uvicorn would put what a header says in the place of a loopback address; who is believed is
    # ours to say (`http.trusted_proxies`).
    "FORWARDED_ALLOW_IPS": "",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "true",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def set_switches() -> None:
    """Put `ENVIRONMENT` into ours, where nobody has chosen otherwise."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def scratch_dir(settings: Settings) -> Path:
    """A short path for Ray's and HAProxy's sockets: HAProxy allows 97 characters."""
    digest = hashlib.blake2b(os.fsencode(settings.data_dir.absolute()), digest_size=4).hexdigest()
    return Path(tempfile.gettempdir(), f"sp-{os.getuid()}-{digest}")


def start(settings: Settings) -> None:
    """Start a local Ray that ends with this process, or join the one in `ray.address`."""
    if settings.ray.address is not None:
        refuse_embedded_parts(settings)
    if ray.is_initialized():
        return
    if settings.ray.address is not None:
        ray.init(address=settings.ray.address, log_to_driver=False)
        return
    set_switches()
    for name, value in _local_environment(settings).items():
        os.environ.setdefault(name, value)
    scratch = scratch_dir(settings)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        init_local(
            num_cpus=settings.ray.num_cpus or max(8, 4 * (os.cpu_count() or 1)),
            include_dashboard=settings.ray.dashboard,
            object_store_memory=settings.ray.object_store_bytes,
            _temp_dir=str(scratch),
        )
    except Exception as exc:
        raise SetupError(
            f"Ray did not start: {exc}", f"Its logs are in {scratch}/session_latest/logs."
        ) from exc


def init_local(**options: Any) -> None:
    """Start a Ray of our own by `ray.init(**options)`; up to twice more where it did not come up.

    Ray gives its own processes 30 s, which is short beside other work.
    """
    for last in (False, False, True):
        before = processes.children()
        try:
            ray.init(address="local", log_to_driver=False, **options)
            return
        except Exception as exc:
            # Ray leaves them to run beside the next ones, and would end them with this process.
            left = processes.end(processes.children() - before)
            ray.shutdown()
            if last:
                raise
            log.warning("ray_start_failed", error=str(exc), left=left)


def refuse_embedded_parts(settings: Settings) -> None:
    """Raises `SetupError` if a part that only one machine can use is configured for a cluster."""
    embedded = _embedded_parts(settings)
    if embedded:
        raise SetupError(
            f"A Ray cluster can't use {', nor '.join(embedded)}.",
            "Unset ray.address to run on one machine.",
        )
    if settings.blob_uri.startswith("file:"):
        machine.mark_shared(machine.folder_of(settings.blob_uri), settings.machine)


def refuse_several_machines(settings: Settings, hosts: set[str]) -> None:
    """Raises `SetupError` if a Ray on these hosts would use an embedded part."""
    embedded = _embedded_parts(settings)
    if embedded and len(hosts) > 1:
        raise SetupError(
            f"The machines {', '.join(sorted(hosts))} can't share {', nor '.join(embedded)}.",
            "Let only one of them be part of this Ray.",
        )


def hosts() -> set[str]:
    """The host names of the Ray that this process is part of."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeManagerHostname"] for node in nodes if node["Alive"]}


def _embedded_parts(settings: Settings) -> list[str]:
    embedded = []
    if settings.embedded_ledger:
        embedded.append("SQLite as the ledger (set ledger.url to a PostgreSQL URL)")
    uri = settings.vectors.uri
    if uri is None or (settings.vectors.kind == "milvus" and uri.endswith(".db")):
        embedded.append("Milvus Lite (set vectors.uri to a Milvus server)")
    if settings.blobs.uri is None:
        embedded.append("a local folder for blobs (set blobs.uri to a bucket or a shared mount)")
    return embedded


def _local_environment(settings: Settings) -> dict[str, str]:
    folder = scratch_dir(settings) / "ha"

    def port(offset: int) -> str:  # HAProxy opens all of them, those that nothing asks too
        return str(ports.first_free(settings.http.port + offset, "0.0.0.0"))  # noqa: S104 - as it does

    return {
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",  # nobody else routes to us here
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_METRICS_PORT": port(1101),
        "RAY_SERVE_HAPROXY_STATS_PORT": port(404),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": port(500),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": port(1500),
    }
