package main

// The programs that are compared.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// subject is something that runs a program in a root of its own.
type subject struct {
	name   string
	why    string // not measured, because
	launch launcher
	// A runtime has a command with its global flags; the others have only
	// the argument lists of run and of a start that does nothing.
	runtime []string
	run     []string
	floor   []string
	light   bool // measured with the light config instead
}

const (
	nameCrun    = "crun"
	nameRuncell = "runcell"
)

// subjects are listed in the order of the table. crun is the measure.
func subjects(o options, w *world) []*subject {
	oci := func(name, binary string, flags ...string) *subject {
		argv := append([]string{binary, "--root", filepath.Join(w.dir, "state-"+strings.ReplaceAll(name, " ", "-"))}, flags...)
		s := &subject{name: name, launch: w.inside, runtime: argv, floor: []string{binary, "--version"}}
		if _, err := os.Stat(binary); err != nil {
			s.why = err.Error()
		}
		return s
	}
	light := func(s *subject) *subject {
		s.light = true
		return s
	}
	outside := oci(nameRuncell+", host's cgroup2", o.runcell)
	outside.launch = w.outside
	return []*subject{
		oci(nameCrun, o.crun),
		oci("runc", o.runc),
		oci(nameRuncell, o.runcell),
		outside,
		light(oci("crun, light, no cgroup", o.crun, "--cgroup-manager=disabled")),
		light(oci("runc, light", o.runc)),
		light(oci("runcell, light", o.runcell)),
		{
			name: "unshare -mpuif chroot", launch: w.inside,
			run:   []string{"/usr/bin/unshare", "-mpuif", "--fork", "/usr/sbin/chroot", w.rootfs(), "/bin/true"},
			floor: []string{"/usr/bin/unshare", "--version"},
		},
		{
			name: "chroot", launch: w.inside,
			run:   []string{"/usr/sbin/chroot", w.rootfs(), "/bin/true"},
			floor: []string{"/usr/sbin/chroot", "--version"},
		},
	}
}

func (s *subject) runArgs(w *world, id string) []string {
	if s.runtime == nil {
		return s.run
	}
	b := bundleTrue
	if s.light {
		b = bundleLight
	}
	return s.command("run", "--bundle", w.bundle(b), id)
}

func (s *subject) command(args ...string) []string {
	return append(append([]string(nil), s.runtime...), args...)
}

// version is the first line of --version, shortened.
func (s *subject) version() string {
	_, out, err := capture(s.launch, s.floor...)
	if err != nil || s.runtime == nil {
		return ""
	}
	line, _, _ := strings.Cut(out, "\n")
	return strings.TrimSpace(fmt.Sprintf("%s: %s", s.name, line))
}
