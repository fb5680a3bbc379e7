"""What counts as an accelerator: a device. Its partitions (MIG instances) are rows of their own, and counted apart.

A partitioned device stays one accelerator: it has the board's power, temperature and faults, while its partitions have
the memory and the processes. Counting both would find seven more accelerators in a node than anybody bought.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from watchfloor.view import View


def is_partition(accelerators: View) -> NDArray[np.bool_]:
    """By row: whether it is a part of another accelerator. One that is lost stays what it was."""
    return accelerators.last("partition_of") > 0  # the code of "" is 0
