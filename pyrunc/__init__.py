"""pyrunc: the OCI runtime you can import."""

__version__ = "0.1.0"
