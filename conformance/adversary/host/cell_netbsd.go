package host

// Cells, and the roots of their processes.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/netbsd-cells/runcell/conformance/adversary/attack"
	"github.com/netbsd-cells/runcell/conformance/mount"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// cell is one with its root.
type cell struct {
	id      kmod.ID
	root    string
	client  kmod.Client
	mounted []string
}

// newCell makes a cell of a profile, with network host.
func newCell(client kmod.Client, dir, name string, profile policy.Profile) (*cell, error) {
	c := &cell{root: filepath.Join(dir, name), client: client}
	if err := c.furnish(); err != nil {
		return nil, errors.Join(err, c.remove())
	}
	id, err := client.Create(kmod.Spec{
		Name: name, Root: c.root, Profile: profile, Permissions: policy.Defaults(profile), Network: kmod.NetworkHost,
		RlimitNofile: kmod.Unlimited, RlimitAS: kmod.Unlimited, RlimitCore: kmod.Unlimited,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create cell %s: %w", name, err), c.remove())
	}
	c.id = id
	return c, nil
}

// devices are those of an ordinary container.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty", "ptm", "ptmx"}

// furnish makes the root: the programs, devices, /tmp, /proc, terminals.
func (c *cell) furnish() error {
	for _, dir := range []string{"dev/pts", "proc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(c.root, dir), 0o755); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	for from, to := range map[string]string{self: program, self + linuxSuffix: attack.LinuxProgram} {
		if err := copyProgram(from, filepath.Join(c.root, to)); err != nil {
			return err
		}
	}
	for _, name := range devices {
		if err := copyNode("/dev/"+name, filepath.Join(c.root, "dev", name)); err != nil {
			return err
		}
	}
	return errors.Join(
		os.Chmod(filepath.Join(c.root, "tmp"), 0o1777),
		c.mount("procfs", "proc", mount.Words(1, 0)), // version, flags
		c.mount("ptyfs", "dev/pts", mount.Words(2, 0, 0o620, 0)),
	)
}

// linuxSuffix is that of the program for Linux, beside this one.
const linuxSuffix = "-linux"

func copyProgram(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy program: %w", err)
	}
	return os.WriteFile(to, b, 0o755)
}

func copyNode(from, to string) error {
	var st unix.Stat_t
	if err := unix.Stat(from, &st); err != nil {
		return fmt.Errorf("copy node %s: %w", from, err)
	}
	return makeNode(to, uint32(st.Mode)&unix.S_IFMT, int(st.Rdev))
}

// makeNode makes a device that is open to all.
func makeNode(path string, kind uint32, number int) error {
	if err := unix.Mknod(path, kind|0o666, number); err != nil {
		return fmt.Errorf("make node %s: %w", path, err)
	}
	return os.Chmod(path, 0o666) // whatever the umask
}

func (c *cell) mount(kind, on string, args []byte) error {
	path := filepath.Join(c.root, on)
	if err := mount.FS(kind, path, args); err != nil {
		return fmt.Errorf("mount %s: %w", kind, err)
	}
	c.mounted = append(c.mounted, path)
	return nil
}

// patience is how long the cell's processes may take to end.
const patience = 10 * time.Second

// remove kills who is in the cell and takes everything away.
func (c *cell) remove() error {
	var err error
	if c.id != 0 {
		err = c.client.Kill(c.id, int(unix.SIGKILL))
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			end := c.client.Destroy(c.id)
			if !errors.Is(end, kmod.ErrBusy) || time.Now().After(deadline) {
				err = errors.Join(err, end)
				break
			}
		}
	}
	for _, path := range c.mounted {
		err = errors.Join(err, unix.Unmount(path, 0))
	}
	return errors.Join(err, unfix(c.root), os.RemoveAll(c.root))
}

// unfix takes the flags off files, which nobody could remove otherwise.
func unfix(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && unix.Lstat(path, &st) == nil && st.Flags != 0 {
			return unix.Chflags(path, 0)
		}
		return err
	})
}
