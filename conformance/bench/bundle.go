package main

// The bundle that all runtimes run.

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The bundles share one root: a static busybox.
const (
	bundleTrue  = "true"  // runc spec's config, /bin/true
	bundleSleep = "sleep" // the same with a process that stays
	bundleLight = "light" // pid, ipc, uts and mount namespaces, no cgroup
	bundleBind  = "bind"  // on the host's network, /bin/httpd that binds a port of its cell and goes
)

func (w *world) bundle(name string) string { return filepath.Join(w.dir, name) }
func (w *world) rootfs() string            { return filepath.Join(w.dir, "rootfs") }

// states has the state directories of a part of the bench.
func (w *world) states(o options) string { return filepath.Join(o.states, filepath.Base(w.dir)) }

func (w *world) makeBundles(o options) error {
	if err := makeRootfs(w.rootfs(), o.busybox); err != nil {
		return fmt.Errorf("make rootfs: %w", err)
	}
	config, err := exampleConfig(o, w.dir)
	if err != nil {
		return err
	}
	config.Root.Path = w.rootfs()
	config.Process.Terminal = false
	config.Process.Args = []string{"/bin/true"}
	if err := writeBundle(w.bundle(bundleTrue), config); err != nil {
		return err
	}
	// As long as it takes to make them all, on a machine that has other work, too.
	config.Process.Args = []string{"/bin/httpd", "-p", "127.0.0.1:" + bindPort}
	if err := writeBundle(w.bundle(bundleBind), onHostsNetwork(config)); err != nil {
		return err
	}
	config.Process.Args = []string{"/bin/sleep", strconv.Itoa(1000 + 10*total(o.cells))}
	mounts := config.Mounts
	if o.lean {
		config.Mounts = nil
	}
	if err := writeBundle(w.bundle(bundleSleep), config); err != nil {
		return err
	}
	config.Mounts = mounts
	config.Process.Args = []string{"/bin/true"}
	lighten(config)
	return writeBundle(w.bundle(bundleLight), config)
}

// bindPort is one that nothing else on the machine is likely to have.
const bindPort = "47113"

// onHostsNetwork is a configuration of a cell that has a port of the host.
func onHostsNetwork(c *specs.Spec) *specs.Spec {
	host, linux := *c, *c.Linux
	linux.Namespaces = slices.DeleteFunc(slices.Clone(linux.Namespaces), func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace })
	host.Linux = &linux
	host.Annotations = maps.Clone(c.Annotations)
	if host.Annotations == nil {
		host.Annotations = map[string]string{}
	}
	host.Annotations["org.netbsd.cell.network"] = "host"
	host.Annotations["org.netbsd.cell.reserved-ports"] = bindPort
	return &host
}

// exampleConfig is what `runc spec` writes, or runcell's where runc is missing.
func exampleConfig(o options, dir string) (*specs.Spec, error) {
	file := filepath.Join(dir, "config.json")
	for _, r := range []string{o.runc, o.runcell} {
		if _, err := os.Stat(r); err != nil {
			continue
		}
		if out, err := exec.Command(r, "spec", "--bundle", dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s spec: %w: %s", r, err, out)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		config := new(specs.Spec)
		if err := json.Unmarshal(b, config); err != nil {
			return nil, fmt.Errorf("decode config of %s spec: %w", r, err)
		}
		return config, nil
	}
	return nil, fmt.Errorf("neither %s nor %s is there", o.runc, o.runcell)
}

// lighten leaves what a cell has too.
func lighten(c *specs.Spec) {
	c.Linux.Namespaces = []specs.LinuxNamespace{
		{Type: specs.PIDNamespace},
		{Type: specs.IPCNamespace},
		{Type: specs.UTSNamespace},
		{Type: specs.MountNamespace},
	}
	c.Linux.Resources = nil
	var mounts []specs.Mount
	for _, m := range c.Mounts {
		if m.Type != "cgroup" && m.Type != "sysfs" {
			mounts = append(mounts, m)
		}
	}
	c.Mounts = mounts
}

func writeBundle(dir string, c *specs.Spec) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode config: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644)
}

func makeRootfs(dir, busybox string) (err error) {
	for _, d := range []string{"bin", "dev", "proc", "sys", "tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	in, err := os.Open(busybox)
	if err != nil {
		return fmt.Errorf("%w (install busybox-static)", err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(filepath.Join(dir, "bin/busybox"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	for _, name := range []string{"sh", "true", "sleep", "httpd"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
			return err
		}
	}
	return nil
}
