"""Which NVIDIA cards a machine has, asked of CUDA's driver alone: no library that computes on them is loaded."""

import ctypes
import sys

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
LONGEST_NAME = 256  # bytes


def list_cards() -> list[str]:
    """Return each card's name with the CUDA version of its driver; empty where there is no driver or no card."""
    try:
        driver = ctypes.CDLL(LIBRARY)
    except OSError:
        return []
    version, number = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDriverGetVersion(ctypes.byref(version)):
        return []
    if driver.cuDeviceGetCount(ctypes.byref(number)):
        return []
    cards = []
    for index in range(number.value):
        device, name = ctypes.c_int(), ctypes.create_string_buffer(LONGEST_NAME)
        failed = driver.cuDeviceGet(ctypes.byref(device), index)
        if not failed and not driver.cuDeviceGetName(name, LONGEST_NAME, device):
            cards.append(f"{name.value.decode(errors='replace')}, CUDA {version.value}")
    return cards
