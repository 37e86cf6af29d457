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
	hostsCgroup = ", host's cgroup2"
	nameOutside = nameRuncell + hostsCgroup
)

// stateName makes the name of a directory of a subject's.
var stateName = strings.NewReplacer(" ", "-", "(", "", ")", "", ",", "", "'", "")

// subjects are listed in the order of the table. crun is the measure; it and
// runc are left out where two revisions of runcell are compared.
func subjects(o options, w *world) []*subject {
	oci := func(name, binary string, flags ...string) *subject {
		argv := append([]string{binary, "--root", filepath.Join(w.states(o), stateName.Replace(name))}, flags...)
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
	var list []*subject
	if o.base == "" {
		list = append(list, oci(nameCrun, o.crun), oci("runc", o.runc))
	}
	for _, r := range o.runcells() {
		outside := oci(nameOutside+r.mark, r.path)
		outside.launch = w.outside
		list = append(list, oci(nameRuncell+r.mark, r.path), outside)
	}
	if o.base == "" {
		list = append(list,
			light(oci("crun, light, no cgroup", o.crun, "--cgroup-manager=disabled")),
			light(oci("runc, light", o.runc)))
	}
	for _, r := range o.runcells() {
		list = append(list, light(oci("runcell, light"+r.mark, r.path)))
	}
	return append(
		list,
		&subject{
			name: nameUnshare, launch: w.inside,
			run:   []string{"/usr/bin/unshare", "-mpuif", "--fork", "/usr/sbin/chroot", w.rootfs(), "/bin/true"},
			floor: []string{"/usr/bin/unshare", "--version"},
		},
		&subject{
			name: nameChroot, launch: w.inside,
			run:   []string{"/usr/sbin/chroot", w.rootfs(), "/bin/true"},
			floor: []string{"/usr/sbin/chroot", "--version"},
		},
	)
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
