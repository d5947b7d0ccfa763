import numpy as np
from numpy.typing import NDArray

UNREACHED: int

def earliest_arrival(
    first_edge: NDArray[np.int32],
    receiver: NDArray[np.int32],
    first_contact: NDArray[np.int32],
    start_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    bits_per_s: NDArray[np.int64],
    delay_ns: NDArray[np.int64],
    edge_until_ns: NDArray[np.int64],
    node_until_ns: NDArray[np.int64],
    source: int,
    now_ns: int,
    bits: int,
    arrival_ns: NDArray[np.int64],
    by_edge: NDArray[np.int32],
    by_contact: NDArray[np.int32],
    hop: NDArray[np.int32],
) -> None: ...
