"""The ingest pipeline: feed → read → embed → write → receipts, one Ray Data dataset.

It stays warm: its source is a stream that ends when nobody needs it any more, so a job pays for
no process to start and no model to load, and several jobs share one set of actors.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.data.block import Block, BlockAccessor, BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from actors.stages import EmbedChunks, ReadDocuments, WriteChunks
from actors.work import Part, Work, row
from actors.worker_logs import configure_worker_logs
from smartypants.accelerator import has_gpu
from smartypants.settings import Settings

GPU_SHARE = 0.2
"""An embedding actor's part of a GPU that the query program's models live on too."""
STAGE_RETRIES = 2
"""A batch that ends its actor is tried so often again before the pipeline gives up on it."""


def pipeline(feed: Any, settings: Settings) -> Dataset:
    """The stages over the batches that an actor's `take` gives, until it gives an empty one."""
    chosen = settings.ingest
    workers = chosen.most_embed_workers
    gpus = chosen.embed_gpus
    if gpus is None:
        gpus = GPU_SHARE if has_gpu(settings) else 0.0
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    context.target_max_block_size = 1  # a row is a batch that travels on as soon as it is there
    dataset: Dataset = (
        ray.data.read_datasource(
            FeedDatasource(feed),
            override_num_blocks=1,
            # Running it again would ask for other work than it gave before.
            ray_remote_args={"num_cpus": 0, "max_retries": 0},
        )
        .map_batches(
            ReadDocuments,
            fn_constructor_args=(settings,),
            batch_size=1,
            compute=ActorPoolStrategy(size=chosen.read_workers),
            num_cpus=0.5,
            max_task_retries=STAGE_RETRIES,
        )
        .map_batches(
            EmbedChunks,
            fn_constructor_args=(settings, workers),
            batch_size=1,
            compute=ActorPoolStrategy(min_size=chosen.embed_workers, max_size=workers),
            num_cpus=chosen.embed_cpus,
            num_gpus=gpus,
            max_task_retries=STAGE_RETRIES,
        )
        .map_batches(
            WriteChunks,
            fn_constructor_args=(settings,),
            batch_size=1,
            compute=ActorPoolStrategy(size=chosen.write_workers),
            num_cpus=0.25,
            max_task_retries=STAGE_RETRIES,
        )
    )
    return dataset


class FeedDatasource(Datasource):
    """One endless read task: a batch of documents is a block of one row."""

    def __init__(self, feed: Any) -> None:
        self._feed = feed

    def get_name(self) -> str:
        return "Feed"

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, *args: Any, **kwargs: Any) -> list[ReadTask]:
        feed = self._feed

        def blocks() -> Iterator[Block]:
            while batch := ray.get(feed.take.remote()):
                yield BlockAccessor.batch_to_block(row(batch))

        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(blocks, unknown)]


class IngestPipeline:
    """Drives the dataset, in a process of its own: what ends it ends the pipeline alone."""

    def __init__(self, settings: Settings) -> None:
        configure_worker_logs(settings)
        self._settings = settings
        self._work: asyncio.Queue[list[Work]] = asyncio.Queue()

    async def put(self, batch: list[Work]) -> None:
        self._work.put_nowait(batch)

    async def take(self) -> list[Work]:
        return await self._work.get()

    async def close(self) -> None:
        """What was put comes out; then the receipts end."""
        self._work.put_nowait([])

    async def receipts(self) -> AsyncGenerator[list[Part], None]:
        """Parts as soon as their chunks are written, in batches. Raises what ended a stage."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[list[Part] | BaseException | None] = asyncio.Queue()
        feed = ray.get_runtime_context().current_actor

        def drive() -> None:
            ended: BaseException | None = None
            try:
                batches = pipeline(feed, self._settings).iter_batches(
                    batch_size=None, batch_format="numpy", prefetch_batches=0
                )
                for rows in batches:
                    for parts in rows["batch"]:
                        loop.call_soon_threadsafe(arrived.put_nowait, parts)
            except Exception as exc:  # noqa: BLE001 - raised again by the generator
                ended = exc
            loop.call_soon_threadsafe(arrived.put_nowait, ended)

        threading.Thread(target=drive, name="pipeline", daemon=True).start()
        while (item := await arrived.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
