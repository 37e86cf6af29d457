package emulator

// Checks of a cell's description: the module's rules, with its error numbers.

import (
	"fmt"
	"path"
	"strings"
	"unicode"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// checkSpec refuses what the module refuses, and what f says it can't do.
func checkSpec(s *kmod.Spec, f *kmod.Features) error {
	if err := s.Check(); err != nil {
		return err
	}
	if err := s.CheckFor(f); err != nil {
		return err
	}
	if err := checkCgroupsPath(s.CgroupsPath); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(s.Root, &st); err != nil {
		return fmt.Errorf("root %s: %w", s.Root, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("root %s: %w", s.Root, unix.ENOTDIR)
	}
	return nil
}

// checkCgroupsPath refuses what is no place below a hierarchy's mount point, or
// goes on no line.
func checkCgroupsPath(p string) error {
	if p != "" && (p == "/" || path.Clean("/"+p) != p || strings.ContainsFunc(p, unicode.IsControl)) {
		return fmt.Errorf("cgroup path %q: must be absolute and clean, below / and without control characters: %w", p, unix.EINVAL)
	}
	return nil
}
