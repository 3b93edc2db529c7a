"""A file of weights, as both the networks' and the residual codes' are written."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write weights by their names. Raises OSError where they cannot be written."""
    try:
        save_file(weights, path)
    except SafetensorError as error:  # it knows no errors of the system
        raise OSError(str(error)) from None
