"""Several processes, on one machine or more, that train one network together with JAX.

Process 0 leads (``leading``): it measures, logs and keeps the run's folder. The others follow
(``following``): they take its recipe and its weights and work through their share of every batch; JAX
averages the gradients. Beside that each holds a plain connection (``lines``) to process 0, over which it is
told when an epoch begins; by its closing each side knows that the other has ended, whatever ended it.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from deepfake import __version__
from deepfake.errors import UserError
from deepfake.lines import Place
from deepfake.pipeline import Sample

_JAX_SECONDS = 10**7
"""JAX's own watch over the processes would end them without a sentence; the connections are quicker."""


class Group:
    """What the processes of a run have in common: JAX, the distribution, shares of batches, one state.

    Attributes:
        place: of this process.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._distribution: Any = None

    def scope(self) -> AbstractContextManager[Any]:
        """In it networks are built, compiled and fitted that all processes train together."""
        return self._distribution.scope()

    def share(self, samples: Sequence[Sample], batch_size: int) -> tuple[list[Sample], int]:
        """This process's part of every whole batch, in order, and its size.

        Raises:
            UserError: code ``too_few_images``: not one whole batch.
        """
        if len(samples) < batch_size:
            raise UserError(
                "too_few_images",
                f"{len(samples)} training images are less than one batch of {batch_size}, which cannot be "
                "shared among processes. Choose a smaller --batch-size.",
            )
        part = batch_size // self.place.processes
        first = self.place.process * part
        starts = range(0, len(samples) - batch_size + 1, batch_size)
        return [s for start in starts for s in samples[start + first : start + first + part]], part

    def put(self, variable: Any, value: Any) -> None:
        """Gives this process's copy of a variable a value, without asking the others for theirs."""
        jax = jax_module()
        variable.assign(jax.make_array_from_process_local_data(variable.value.sharding, np.asarray(value)))

    def spread(self, model: Any) -> None:
        """Gives every process the weights and the optimiser's state of process 0; called by all."""
        multihost_utils = jax_module("jax.experimental.multihost_utils")
        variables = [*model.variables, *model.optimizer.variables]
        values = multihost_utils.broadcast_one_to_all([np.asarray(variable) for variable in variables])
        for variable, value in zip(variables, values, strict=True):
            self.put(variable, value)

    def _start_jax(self, port: int) -> None:
        import keras

        jax = jax_module()
        address = f"{self.place.host}:{port}"
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.config.update(
            "jax_enable_recoverability", True
        )  # who is left may save what it has, and ends well
        jax.distributed.initialize(
            address,
            self.place.processes,
            self.place.process,
            cluster_detection_method="deactivate",
            coordinator_bind_address=address,
            heartbeat_timeout_seconds=_JAX_SECONDS,
        )
        self._distribution = keras.distribution.DataParallel(auto_shard_dataset=False)


def samples_digest(samples: Sequence[Sample], root: Path) -> str:
    """A word that is the same in two processes that have the same samples and version of this program.

    Args:
        samples: of the first epoch.
        root: the data set's folder, which may lie elsewhere on each machine.
    """
    digest = hashlib.sha256(__version__.encode())
    for sample in samples:
        name = Path(sample.path).relative_to(root).as_posix()
        digest.update(f"{name} {sample.fake} {sample.draw} {sample.landmarks is not None}\n".encode())
    return digest.hexdigest()


def jax_module(name: str = "jax") -> Any:
    """A module of JAX, which is optional and so not among the requirements."""
    return importlib.import_module(name)


def check_jax() -> None:
    """Refuses a distributed run without JAX.

    Raises:
        UserError: codes ``no_jax``, ``not_jax``.
    """
    try:
        jax_module()
    except ImportError as error:
        raise UserError(
            "no_jax", "Training by several processes needs JAX. Install it with: pip install jax"
        ) from error
    import keras

    if keras.backend.backend() != "jax":
        raise UserError(
            "not_jax",
            f"Training by several processes needs KERAS_BACKEND=jax; it is {keras.backend.backend()}.",
        )
