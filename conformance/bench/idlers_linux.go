package main

// The ways to have a program idle, but for the virtual machine.

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/clients"
)

// idlers are listed in the order of the table.
func idlers(o options, dir string) ([]*idler, error) {
	w := &world{dir: filepath.Join(dir, "world")}
	if err := os.Mkdir(w.dir, 0o755); err != nil {
		return nil, err
	}
	w, err := newWorld(o, w)
	if err != nil {
		return nil, err
	}
	var list []*idler
	for _, s := range w.subjects {
		switch s.name {
		case nameOutside, nameCrun, "runc":
			list = append(list, s.idler(w))
		}
	}
	image, err := clients.Image()
	if err != nil {
		return nil, err
	}
	archive := filepath.Join(dir, "busybox.tar")
	if err := os.WriteFile(archive, image, 0o644); err != nil {
		return nil, err
	}
	list = append(
		list,
		runcellImage(o, w.outside, filepath.Join(dir, "shared"), archive, "shared"),
		runcellImage(o, w.outside, filepath.Join(dir, "copy"), archive, "copy"),
		podmanIdler(filepath.Join(dir, "podman"), archive),
	)
	for _, way := range ways(o) {
		if way.name != nameOverRunc {
			list = append(list, containerdIdler(o, way))
		}
	}
	list = append(list, machineIdler(o, filepath.Join(dir, "machine")), chrootIdler(w))
	for _, d := range list {
		if d.mark == "" {
			d.mark = token
		}
		for _, dir := range d.dirs {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// idler is of a runtime alone: somebody else has made the root.
func (s *subject) idler(w *world) *idler {
	pidFile := filepath.Join(w.dir, "pid")
	return &idler{
		name: strings.TrimSuffix(s.name, hostsCgroup), why: s.why, in: s.launch, dirs: []string{s.runtime[2]},
		start: func(id string) (int, error) {
			if _, err := run(s.launch, s.command("run", "--detach", "--bundle", w.bundle(bundleSleep), "--pid-file", pidFile, id)...); err != nil {
				return 0, err
			}
			return readPid(pidFile)
		},
		remove: func(id string) error {
			_, err := run(s.launch, s.command("delete", "--force", id)...)
			return err
		},
	}
}

// runcellImage is `runcell run --image`, which has the root made.
func runcellImage(o options, l launcher, dir, archive, rootfs string) *idler {
	store, pidFile := filepath.Join(dir, "store"), filepath.Join(dir, "pid")
	runcell := func(args ...string) error {
		_, err := run(l, append([]string{o.runcell, "--root", filepath.Join(dir, "state")}, args...)...)
		return err
	}
	d := &idler{
		name: "runcell run --image --rootfs " + rootfs, in: l, dirs: []string{dir}, warm: true,
		prepare: func() error {
			_, err := run(l, o.runcell+"-image", "image", "import", "--store", store, "docker-archive:"+archive, clients.ImageName)
			return err
		},
		start: func(id string) (int, error) {
			if err := runcell("run", "--detach", "--pid-file", pidFile, "--image", clients.ImageName, "--store", store, "--rootfs", rootfs, id, "--", "sleep", "1000"); err != nil {
				return 0, err
			}
			return readPid(pidFile)
		},
		remove: func(id string) error { return runcell("delete", "--force", id) },
	}
	if _, err := os.Stat(o.runcell + "-image"); err != nil {
		d.why = err.Error()
	}
	return d
}

func podmanIdler(dir, archive string) *idler {
	d := &idler{name: "podman, conmon, crun", mark: dir, dirs: []string{dir}, warm: true}
	podman := func(args ...string) (string, error) { return podmanIn(d.in, dir, args...) }
	d.prepare = func() error {
		_, err := podman("load", "--quiet", "--input", archive)
		return err
	}
	d.start = func(id string) (int, error) {
		if _, err := podman("run", "--detach", "--cgroup-parent", ownName, "--network", "none", "--name", id, clients.ImageName, "sleep", "1000"); err != nil {
			return 0, err
		}
		text, err := podman("inspect", "--format", "{{.State.Pid}}", id)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(text))
	}
	d.remove = func(id string) error {
		_, err := podman("rm", "--force", "--time", "0", id)
		return err
	}
	d.finish = func() error {
		sweepGroups()
		return nil
	}
	var err error
	if d.in, err = podmanLauncher(); err != nil {
		d.why = err.Error()
	}
	return d
}

// containerdIdler has a containerd of its own, which counts as what there is once.
func containerdIdler(o options, w way) *idler {
	var c *daemon
	d := &idler{name: "containerd, " + w.name, in: plainLauncher{}, rest: o.settle, warm: true}
	d.prepare = func() (err error) {
		if c, err = startDaemon(o); err == nil {
			d.mark, d.dirs = c.dir, []string{c.dir}
		}
		return err
	}
	d.start = func(id string) (int, error) {
		if _, err := c.ctr(append(append([]string{"run", "--detach"}, w.flags...), clients.ImageName, id, "sleep", "1000")...); err != nil {
			return 0, err
		}
		tasks, err := c.ctr("task", "ls")
		if err != nil {
			return 0, err
		}
		_, after, _ := strings.Cut(tasks, "\n"+id+" ")
		var pid int
		if _, err := fmt.Sscan(after, &pid); err != nil {
			return 0, fmt.Errorf("find %s in %q: %w", id, tasks, err)
		}
		return pid, nil
	}
	d.remove = func(id string) error { return c.remove(id) }
	d.finish = func() error {
		if c == nil {
			return nil
		}
		return c.stop()
	}
	bin := cmp.Or(o.containerd, "/usr/bin")
	for _, program := range append([]string{filepath.Join(bin, "containerd"), filepath.Join(bin, "ctr")}, w.needs...) {
		if _, err := os.Stat(program); err != nil {
			d.why = err.Error()
		}
	}
	return d
}

func chrootIdler(w *world) *idler {
	all := map[string]*exec.Cmd{}
	return &idler{
		name: nameChroot, in: w.inside, dirs: []string{filepath.Join(w.dir, "nothing")},
		start: func(id string) (int, error) {
			c := &exec.Cmd{Path: "/usr/sbin/chroot", Args: []string{"chroot", w.rootfs(), "/bin/sleep", "1000"}, Env: []string{token}}
			if err := w.inside.start(c); err != nil {
				return 0, err
			}
			all[id] = c
			return c.Process.Pid, nil
		},
		remove: func(id string) error { return endProcess(all[id]) },
	}
}

// endProcess kills a process, if it was started, and waits for it.
func endProcess(c *exec.Cmd) error {
	if c == nil {
		return nil
	}
	err := c.Process.Kill()
	_ = c.Wait() // as it was killed
	return err
}
