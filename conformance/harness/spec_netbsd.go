package harness

// The part of a config that NetBSD adds: a /dev, and no procfs, which a
// program on NetBSD does not need.

import "github.com/opencontainers/runtime-spec/specs-go"

func systemSpec(s *specs.Spec) {
	s.Mounts = []specs.Mount{
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
		{Destination: "/dev/pts", Type: "ptyfs", Source: "ptyfs"},
	}
}
