package main

// NetBSD: the socket's mode is what keeps others from connecting.

import "github.com/containerd/ttrpc"

func serverOptions() []ttrpc.ServerOpt { return nil }
