package oci

// The system that an image was made for (image-spec, conversion.md): config.json
// has it in annotations.

import (
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
)

const (
	imageOS   = "org.opencontainers.image.os"
	imageArch = "org.opencontainers.image.architecture"
)

// platform checks that the kernel runs the image's programs. Without the
// annotations, or if it is not known what the kernel runs, exec(2) will tell.
func (c *compiler) platform(annotations map[string]string) {
	os, arch := annotations[imageOS], annotations[imageArch]
	if os == "" || len(c.f.Platforms) == 0 {
		return
	}
	field, want := join("annotations", imageOS), strings.TrimSuffix(os+"/"+arch, "/")
	runs := func(p string) bool { return p == want || arch == "" && strings.HasPrefix(p, os+"/") }
	native, _, _ := strings.Cut(c.f.Platforms[0], "/")
	switch {
	case !slices.ContainsFunc(c.f.Platforms, runs):
		c.cantRun(field, want, os == native)
	case os != native:
		reason := "programs for " + os + " run in the kernel's emulation of it, which does not have every system call"
		if signals := c.f.LinuxSignals(); os == "linux" && signals != "" {
			reason += "; " + signals
		}
		c.approximated(field, quote(want), reason)
	}
}

// cantRun notes that the kernel lacks what the image needs.
func (c *compiler) cantRun(field, want string, native bool) {
	reason := "this kernel runs programs for " + strings.Join(c.f.Platforms, ", ")
	if native && c.emulated() {
		c.approximated(field, quote(want), reason+"; others only with an interpreter (binfmt_misc)")
		return
	}
	if strings.HasPrefix(want, "linux") && c.f.Backend == kmod.All().Backend {
		reason += "; it has no emulation of Linux for this architecture (sysctl emul.linux, emul.linux32): " +
			"load it with `modload compat_linux` (or compat_linux32), or take an image for netbsd"
	} else {
		reason += "; take an image for one of these"
	}
	c.invalid(field, quote(want), reason)
}
