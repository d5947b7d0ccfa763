import numpy as np
from numpy.typing import NDArray

def label_clusters(cells: NDArray[np.int64], rows: int, cols: int, labels: NDArray[np.int32]) -> int: ...
