package main

// Control groups are no namespace: what a mutant makes of them stays when all its
// namespaces are gone, and a process in a frozen one of version 1 can't even be
// killed. So each run has a group of its own in each hierarchy, which it takes for
// the whole of it, and which is thawed and removed with what is below.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groups is by mount point the directory that stands for it.
type groups map[string]string

// groupsNamed are the groups of one name, which need not be there.
func groupsNamed(name string) (groups, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	g := groups{}
	for line := range strings.Lines(string(table)) {
		mount, super, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if strings.HasPrefix(super, "cgroup") && len(fields) > 4 && strings.HasPrefix(fields[4]+"/", "/sys/fs/cgroup/") {
			g[fields[4]] = filepath.Join(fields[4], name)
		}
	}
	return g, nil
}

// make makes them, in all hierarchies or none.
func (g groups) make() (err error) {
	for at, dir := range g {
		if err = os.Mkdir(dir, 0o755); err == nil {
			err = handOn(at, dir)
		}
		if err != nil {
			g.end()
			return fmt.Errorf("make the control group %s: %w", dir, err)
		}
	}
	return nil
}

// handOn lets a group have what its parent has: the controllers of version 2, and
// the processors without which none can enter one of version 1.
func handOn(parent, dir string) error {
	if have, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers")); err == nil {
		for _, name := range strings.Fields(string(have)) {
			// The kernel hands on no controller that another version has.
			_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+name), 0)
		}
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), value, 0)
		}
		if err != nil {
			return fmt.Errorf("hand on %s: %w", file, err)
		}
	}
	return nil
}

// enter makes the groups what this process and those after it see as the whole of
// their hierarchies. They themselves are in a child: of version 2, a group that has
// processes has no children with limits. The calling thread has to be locked.
func (g groups) enter() error {
	for _, dir := range g {
		if err := join(dir); err != nil {
			return err
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("make a namespace of control groups: %w", err)
	}
	for at, dir := range g {
		self := filepath.Join(dir, "self")
		if err := os.Mkdir(self, 0o755); err != nil {
			return fmt.Errorf("make a control group: %w", err)
		}
		if err := handOn(dir, self); err != nil {
			return err
		}
		if err := join(self); err != nil {
			return err
		}
		if err := unix.Mount(dir, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount the control group %s: %w", dir, err)
		}
		g[at] = at
	}
	return nil
}

// join moves this process.
func join(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return fmt.Errorf("join the control group %s: %w", dir, err)
	}
	return nil
}

// thaw lets what is frozen die.
func (g groups) thaw() {
	for _, dir := range g.below() {
		_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0)
		_ = os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("0"), 0)
	}
}

// below are all directories, the outermost first.
func (g groups) below() (dirs []string) {
	for _, top := range g {
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
	}
	return dirs
}

// end removes the groups, whose processes are dead or dying.
func (g groups) end() {
	const tries = 50
	for range tries {
		g.thaw()
		dirs := g.below()
		if len(dirs) == 0 {
			return
		}
		for _, dir := range slices.Backward(dirs) {
			_ = unix.Rmdir(dir)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
