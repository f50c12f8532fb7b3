"""`shared_work`: how the processes of a fit share it out."""

from __future__ import annotations

from l2ssm.errors import OptionError
from l2ssm.identification.chunks import Chunks, check_chunks
from l2ssm.identification.distributed import place
from l2ssm.identification.shards import Replicas, Shards
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.work import Work

SHARDS = 8
MANY = 1_000_000  # parameters: from here on the gradients of all parts are too much to send


def shared_work(trainee: Trainee, *, batch: int, shards: int | None, in_time: bool) -> Work:
    """How this process works together with those of its group; all of it where it has none.

    Args:
        trainee: what is trained.
        batch: windows.
        shards: parts of a batch, 0 for replicas; None: `SHARDS` of them below `MANY` parameters.
        in_time: whether windows are shared out in time.

    Raises:
        OptionError: shards or in_time where there is no group; more processes than parts; or a network that cannot be
            shared out in time.
    """
    here = place()
    if in_time:
        check_chunks(trainee.model)
    if here is None and not (in_time or shards is not None):
        return Work()
    if here is None:
        raise OptionError("shards and sequence_parallel share a fit out: give nproc too, or run it under torchrun")
    if in_time and shards is not None:
        raise OptionError("shards share windows out and sequence_parallel cuts them in time: give one of them")
    if in_time:
        return Chunks(here)
    if shards is None:
        shards = SHARDS if sum(p.numel() for p in trainee.parameters()) < MANY else 0
    parts = min(batch, shards or here.size)
    if here.size > parts:
        raise OptionError(
            f"{here.size} processes share {batch} windows in {shards or here.size} parts: expected at least as many "
            f"windows (batch) and parts (shards) as processes"
        )
    return Shards(here, shards) if shards else Replicas(here)
