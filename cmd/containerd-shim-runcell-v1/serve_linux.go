package main

// Linux: who connects must be the same user, by the socket's credentials.

import "github.com/containerd/ttrpc"

func serverOptions() []ttrpc.ServerOpt {
	return []ttrpc.ServerOpt{ttrpc.WithServerHandshaker(ttrpc.UnixSocketRequireSameUser())}
}
