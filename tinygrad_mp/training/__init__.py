"""The high-level trainer: ``Model``, its layers, losses, metrics, callbacks, and files."""
