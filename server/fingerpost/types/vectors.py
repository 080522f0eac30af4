"""Vectors as every stage knows them."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""Shape (dim,), dtype float32, unit length."""

Vectors = NDArray[np.float32]
"""Shape (n, dim), dtype float32, rows of unit length."""
