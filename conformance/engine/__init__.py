"""The engines: podman, buildah, containerd (ctr and CRI) and docker, each with state of its own, and what they are
asked to do with a runtime.

One module an engine (`Engine`: how it is started and called), one or more for its operations."""
