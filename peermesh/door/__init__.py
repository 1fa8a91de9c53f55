"""The local socket by which hooks and commands reach a sidecar."""
