"""The processes that train one trial together, in the trial's own placement group of Ray.

The trial's actor is the first process. It starts an actor for each other one, in that one's bundle
of the placement group; they end with it, whatever ends it.
"""

import contextlib
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any

import ray
import torch
from ray.exceptions import RayTaskError
from ray.util.placement_group import PlacementGroup, get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from orchestrator.launch.resources import Resources
from orchestrator.launch.worker import Job, train_part
from orchestrator.process.foothold import leave_folder
from trainers.engine.processes import Processes

CONNECT = timedelta(seconds=60)
ASK_EVERY_S = 0.5
NOTICE_S = 3.0
"""Longest wait, after an error, for the process that caused it: it is the one to be told of."""
GRACE_S = 20.0
"""Seconds in which the first process must see that another one has failed."""


class LostRankError(RuntimeError):
    """A process of a trial does not answer the others."""


class RankGroup:
    """Starts the other processes of a trial, and ends them with the context.

    Args:
        job: The trial.
        resources: Of the trial; each process has its part.

    Raises:
        RayError: The error of the first other process that fails, in place of what follows from
            it in this process.
        LostRankError: If a process does not answer in time.
    """

    def __init__(self, job: Job, resources: Resources) -> None:
        self.job, self.resources = job, resources
        self._others: list[Any] = []
        self._broken: list[Exception] = []
        self._over = threading.Event()
        self._watch: threading.Thread | None = None
        self._ranks: Processes | None = None

    def __enter__(self) -> Processes:
        """Starts them; returns when all have found each other."""
        try:
            return self._begun()
        except BaseException as error:
            self._end(error)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends them."""
        self._end(error)

    def _begun(self) -> Processes:
        group = get_current_placement_group()
        host = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
        assert group is not None
        world = self.resources.processes
        with _listening(host) as listener:
            port = listener.getsockname()[1]
            store = TCPStore(
                host,
                port,
                world,
                is_master=True,
                wait_for_workers=False,
                timeout=CONNECT,
                master_listen_fd=listener.detach(),
            )
        self._others = [self._other(group, rank) for rank in range(1, world)]
        runs = [
            other.run.remote(self.job, rank, world, host, port)
            for rank, other in enumerate(self._others, 1)
        ]
        self._ranks = _ranks(self.job, 0, world, store, host)
        self._watch = threading.Thread(target=self._wait_for, args=(runs,), daemon=True)
        self._watch.start()
        self._ranks.join()
        return self._ranks

    def _other(self, group: PlacementGroup, rank: int) -> Any:
        return (
            ray.remote(_Rank)
            .options(
                num_cpus=self.resources.cpus_each,
                num_gpus=self.resources.gpus_each,
                max_restarts=0,
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    group, placement_group_bundle_index=rank
                ),
            )
            .remote()
        )

    def _wait_for(self, runs: list[Any]) -> None:
        """Waits until all others have ended; ends the group with the first that fails."""
        while runs and not self._over.is_set():
            done, runs = ray.wait(runs, timeout=ASK_EVERY_S)
            for run in done:
                try:
                    ray.get(run)
                except Exception as error:
                    if not self._over.is_set():
                        self._break(error)
                    return

    def _break(self, error: Exception) -> None:
        self._broken.append(error)
        # Their connections end with them, so whoever waits for them gets an error.
        self._kill()
        if self._ranks is not None:
            self._ranks.abandon()
        if not self._over.wait(GRACE_S):
            sys.stderr.write(f"another process of the trial failed: {error}\n")
            sys.stderr.flush()
            # It computes, or waits for something else; a worker that is gone is retried.
            os._exit(1)

    def _end(self, error: BaseException | None) -> None:
        if isinstance(error, Exception) and self._watch is not None:
            self._wait_for_the_cause()
        self._over.set()
        self._kill()
        if self._ranks is not None:
            self._ranks.close()
        if not isinstance(error, Exception):
            return
        cause = self._broken[0] if self._broken else error
        if _is_timeout(cause):
            what = f"a process of the trial did not answer for {self.job.timeout_s:g} s"
            hint = "it hangs, or needs longer alone; then raise trial.timeout_s"
            raise LostRankError(f"{what}: {hint}") from cause
        if cause is not error:
            raise cause from None

    def _wait_for_the_cause(self) -> None:
        ended = threading.Event()
        for _ in range(int(NOTICE_S / 0.1)):
            if self._broken or self._watch is None or not self._watch.is_alive():
                return
            ended.wait(0.1)

    def _kill(self) -> None:
        for other in self._others:
            with contextlib.suppress(Exception):
                ray.kill(other)


class _Rank:
    """An actor: one of the other processes of a trial."""

    def run(self, job: Job, rank: int, world: int, host: str, port: int) -> None:
        """Trains its part of the trial to the end."""
        leave_folder()
        store = TCPStore(host, port, world, is_master=False, timeout=CONNECT)
        ranks = _ranks(job, rank, world, store, host)
        try:
            ranks.join()
            train_part(job, ranks)
        finally:
            ranks.close()


def _ranks(job: Job, rank: int, world: int, store: TCPStore, host: str) -> Processes:
    if ipaddress.ip_address(host).is_loopback:
        # Else gloo listens at the address of the machine's name.
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    return Processes(
        rank=rank,
        world=world,
        store=store,
        device=torch.device(job.device),
        timeout_s=job.timeout_s,
    )


def _is_timeout(error: Exception) -> bool:
    """Whether torch gave up waiting for another process; gloo has no error of its own for it."""
    text = str(error).lower()
    return isinstance(error, RuntimeError | RayTaskError) and (
        "timed out waiting" in text or "wait timeout" in text
    )


@contextlib.contextmanager
def _listening(host: str) -> Iterator[socket.socket]:
    """A socket at a free port of this address alone; torch itself would listen at all."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield listener
