package bootstrap

// Where containerd keeps sockets of shims, unless it says.

const defaultSocketDir = "/run/containerd/s"
