package harness

// Changes to a config that many cases make.

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Do makes the container's process the probe with these operations.
func Do(ops ...string) Mod {
	return func(s *specs.Spec) { s.Process.Args = append([]string{ProbePath}, ops...) }
}

// Args sets process.args.
func Args(args ...string) Mod { return func(s *specs.Spec) { s.Process.Args = args } }

// Env appends to process.env.
func Env(env ...string) Mod {
	return func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, env...) }
}

// Cwd sets process.cwd.
func Cwd(dir string) Mod { return func(s *specs.Spec) { s.Process.Cwd = dir } }

// User sets process.user.
func User(uid, gid uint32, groups ...uint32) Mod {
	return func(s *specs.Spec) { s.Process.User = specs.User{UID: uid, GID: gid, AdditionalGids: groups} }
}

// Readonly makes the root filesystem read-only.
func Readonly(s *specs.Spec) { s.Root.Readonly = true }

// Mount appends a mount.
func Mount(destination, kind, source string, options ...string) Mod {
	return func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: destination, Type: kind, Source: source, Options: options})
	}
}

// Bind appends a bind mount.
func Bind(source, destination string, options ...string) Mod {
	return Mount(destination, "bind", source, append([]string{"bind"}, options...)...)
}

// Tmpfs appends a tmpfs mount.
func Tmpfs(destination string, options ...string) Mod {
	return Mount(destination, "tmpfs", "tmpfs", options...)
}

// Terminal asks for a terminal.
func Terminal(s *specs.Spec) { s.Process.Terminal = true }

// Annotate adds an annotation.
func Annotate(key, value string) Mod {
	return func(s *specs.Spec) {
		if s.Annotations == nil {
			s.Annotations = map[string]string{}
		}
		s.Annotations[key] = value
	}
}

// Rlimit appends a resource limit.
func Rlimit(kind string, soft, hard uint64) Mod {
	return func(s *specs.Spec) {
		s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: kind, Soft: soft, Hard: hard})
	}
}

// SignalNumber is a signal's number on this system, in decimal.
func SignalNumber(name string) string { return decimal(int(unix.SignalNum(name))) }
