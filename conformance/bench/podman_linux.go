package main

// podman beside ours: with mounts of its own, so that the host's is left alone.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// podmanSettings make podman work without systemd and without the right to raise limits.
var podmanSettings = map[string]string{
	"/etc/containers/policy.json":     `{"default": [{"type": "insecureAcceptAnything"}]}`,
	"/etc/containers/registries.conf": "",
	"/etc/containers/containers.conf": `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
`,
}

// podmanMounts give podman directories of its own, so that the host's is left alone.
func podmanMounts() error {
	for _, dir := range []string{"/run", "/dev/shm", "/etc/containers"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("mount tmpfs on %s: %w", dir, err)
		}
	}
	for name, text := range podmanSettings {
		if err := writeHere(name, text); err != nil {
			return err
		}
	}
	return nil
}

// writeHere writes a file by a child, which shares the mounts of the thread
// that it is called on.
func writeHere(name, text string) error {
	c := exec.Command("/bin/busybox", "sh", "-c", `/bin/busybox cat >"$1"`, "sh", name)
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("write %s: %w: %s", name, err, out)
	}
	return nil
}

func podmanLauncher() (launcher, error) {
	if _, err := os.Stat(podmanPath); err != nil {
		return nil, err
	}
	return privateLauncher(podmanMounts)
}

const podmanPath = "/usr/bin/podman"

// podmanIn has podman keep its images below dir. What it has for running
// containers is in its own /run.
func podmanIn(l launcher, dir string, args ...string) (string, error) {
	_, text, err := capture(l, podmanArgs(dir, args...)...)
	return text, err
}

func podmanArgs(dir string, args ...string) []string {
	return append([]string{podmanPath, "--root", filepath.Join(dir, "root"), "--runroot", "/run/podman-bench", "--runtime", "/usr/bin/crun"}, args...)
}

func podmanPuller() *puller {
	p := &puller{name: "podman pull", needs: podmanPath}
	l, err := podmanLauncher()
	if err != nil {
		p.why = err.Error()
	}
	p.pull = func(dir, address, tag string) error {
		_, err := podmanIn(l, dir, "pull", "--quiet", "--tls-verify=false", address+"/x:"+tag)
		return err
	}
	return p
}

func podmanStarter(dir, layout string) *starter {
	s := &starter{name: "podman run"}
	s.after = func(string) error {
		sweepGroups()
		return nil
	}
	var err error
	if s.in, err = podmanLauncher(); err != nil {
		s.why = err.Error()
	}
	s.prepare = func() error {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		// Of a layout it takes the path for a name.
		archive := filepath.Join(dir, "image.tar")
		if _, err := run(s.in, "/usr/bin/tar", "-cf", archive, "-C", layout, "."); err != nil {
			return err
		}
		_, err := podmanIn(s.in, dir, "load", "--quiet", "--input", archive)
		return err
	}
	s.argv = func(id string) []string {
		return podmanArgs(dir, "run", "--rm", "--cgroup-parent", ownName, "--network", "none", "--name", id, firstTag)
	}
	return s
}

const buildahPath = "/usr/bin/buildah"

// buildahIn is buildah with its images below dir.
func buildahIn(dir string) string {
	return buildahPath + " --root " + filepath.Join(dir, "buildah") + " --runroot /run/buildah-bench"
}
