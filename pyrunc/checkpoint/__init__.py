"""Checkpoint and restore by CRIU (criu.org): the processes of a container as files, and back again."""
