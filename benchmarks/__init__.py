"""Reference workloads, each written once against PyTorch's API, run on PyTorch and on tinygrad_mp.

``python -m benchmarks`` measures; ``README.md`` in this folder says what and how.
"""
