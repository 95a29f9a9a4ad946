"""Data sets, orders to go through them, and batches, under PyTorch's names.

>>> from tinygrad_mp import arange, manual_seed
>>> from tinygrad_mp.utils.data import DataLoader, TensorDataset
>>> numbers = TensorDataset(arange(5), arange(5) ** 2)
>>> for x, y in DataLoader(numbers, batch_size=3):
...     print(x.tolist(), y.tolist())
[0, 1, 2] [0, 1, 4]
[3, 4] [9, 16]
"""

from tinygrad_mp.absent import lookup
from tinygrad_mp.utils.data.collate import default_collate, default_convert
from tinygrad_mp.utils.data.dataloader import DataLoader
from tinygrad_mp.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from tinygrad_mp.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from tinygrad_mp.utils.data.workers import get_worker_info

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]

__getattr__ = lookup("utils.data")
