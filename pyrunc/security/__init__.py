"""What confines the container's process, as data: capability sets and seccomp programs."""
