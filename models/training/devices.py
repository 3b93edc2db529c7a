"""The processes of a training: one, or as many as torchrun starts, each with a device of its own.

Lightning Fabric finds each its device and lets them speak to each other. Each draws batches of its own; of a step they
share the mean of their gradients, so that their weights stay the same. Batch norm's statistics are each process's own.
"""

import os

from lightning.fabric import Fabric

from models.training.stage import choose_device


def launch(name: str) -> Fabric:
    """Join the processes that torchrun started on devices of a kind: auto, cpu or cuda; raises TrainingError.

    Without torchrun it is one process on one device.
    """
    kind = choose_device(name).type
    world, local = (int(os.environ.get(each, "1")) for each in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    fabric = Fabric(
        accelerator=kind,
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
    )
    fabric.launch()
    return fabric
