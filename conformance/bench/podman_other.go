//go:build !linux

package main

// podman is there on Linux only.

import "errors"

func podmanPuller() *puller {
	return &puller{name: "podman pull", why: "wants Linux"}
}

func podmanStarter(string, string) *starter {
	return &starter{name: "podman run", why: "wants Linux"}
}

const buildahPath = "/usr/bin/buildah"

func buildahIn(string) string { return buildahPath }

func podmanLauncher() (launcher, error) { return nil, errors.New("wants Linux") }
