package bootstrap

// Where containerd keeps sockets of shims, unless it says.

const defaultSocketDir = "/var/run/containerd/s"
