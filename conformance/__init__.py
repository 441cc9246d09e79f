"""What anybody can run against any OCI runtime: the specification's requirements, and the engines."""
