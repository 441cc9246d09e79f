"""The operation classes: everything that creating a container does, in small steps that can be told and performed."""
