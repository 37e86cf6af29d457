package harness

// NetBSD has no mount namespaces and no subreaper: a worker is only a
// process.

import "os/exec"

func unshare(*exec.Cmd) {}

// Isolate has nothing to do.
func Isolate(bool) error { return nil }

func adopt() error { return nil }
