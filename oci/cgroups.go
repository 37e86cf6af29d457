package oci

// linux.cgroupsPath. Cells have no cgroups; on Linux the emulator puts their
// processes there all the same, for tools that look.

import (
	"fmt"
	"path"
	"strings"
	"unicode"
)

func (c *compiler) cgroupsPath(field string, v any) {
	value := v.(string)
	p, err := ParseCgroupsPath(value)
	switch {
	case err != nil:
		c.invalid(field, quote(value), err.Error())
	case c.emulated():
		c.plan.CgroupsPath = p
		c.approximated(field, quote(value), "the processes are in this cgroup where the host lets them, for tools that look there; it sets no limit")
	default:
		c.plan.CgroupsPath = p
		c.approximated(field, quote(value), "NetBSD has no cgroups: the path is kept in the plan for callers, no cgroup is made")
	}
}

// maxCgroupsPath keeps the path below a mount point within PATH_MAX.
const maxCgroupsPath = 2048

// ParseCgroupsPath gives the path below a hierarchy's mount point, absolute
// and clean. It reads a path (config-linux.md, "Control groups"), relative
// ones from there too, or systemd's form as runc has it, slice:prefix:name.
func ParseCgroupsPath(s string) (string, error) {
	if strings.ContainsFunc(s, unicode.IsControl) || len(s) > maxCgroupsPath {
		return "", fmt.Errorf("must be a path of at most %d bytes without control characters", maxCgroupsPath)
	}
	if parts := strings.Split(s, ":"); len(parts) == 3 && !strings.Contains(s, "/") {
		return systemdPath(parts[0], parts[1], parts[2])
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return "", fmt.Errorf("leads out of its place by %q: give a path without it", "..")
		}
	}
	if p := path.Clean("/" + s); p != "/" {
		return p, nil
	}
	return "", fmt.Errorf("is the root of all cgroups: give the container a path of its own")
}

// systemdPath is where systemd has the scope prefix-name of a slice, each "-"
// in whose name is a level (systemd.slice(5)).
func systemdPath(slice, prefix, name string) (string, error) {
	if slice == "" {
		slice = "system.slice"
	}
	stem, ok := strings.CutSuffix(slice, ".slice")
	if !ok || name == "" {
		return "", fmt.Errorf("must be slice:prefix:name, such as machine.slice:libpod:web")
	}
	p, level := "/", ""
	if stem != "-" { // the root slice
		for part := range strings.SplitSeq(stem, "-") {
			if part == "" || part == "." || part == ".." {
				return "", fmt.Errorf("%s is not the name of a slice", quote(slice))
			}
			level += part
			p = path.Join(p, level+".slice")
			level += "-"
		}
	}
	unit := name
	if !strings.HasSuffix(name, ".slice") {
		if prefix != "" {
			unit = prefix + "-" + name
		}
		unit += ".scope"
	}
	return path.Join(p, unit), nil
}
