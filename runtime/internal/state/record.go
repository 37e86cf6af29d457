package state

// A container's directory below the state root: its lock, record and plan.
//
//	<root>/<id>/            0700, flock(2)ed while a command changes it
//	<root>/<id>/creating.json  the record while it is being created
//	<root>/<id>/state.json  the record from then on; it goes before the other
//	<root>/<id>/plan.json   the Plan, written once, before any record
//	<root>/<id>/exec.fifo   there until `start` has released the process
//	<root>/<id>/init.error  what the child's program says when it fails
//	<root>/<id>/exit.status how the process ended, where the kernel does not
//	                        keep it (monitor_netbsd.go)
//
// Nothing is fsynced: no cell survives a reboot, so neither need its record.
// There are two records because some file systems flush a file that is renamed
// over another one, which takes longer than everything else in create.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// Errors that callers tell apart. Container tools match on these texts.
var (
	ErrNotExist   = errors.New("container does not exist")
	ErrExist      = errors.New("container with given id already exists")
	ErrNotRunning = errors.New("container not running")
)

const (
	creatingFile = "creating.json"
	stateFile    = "state.json"
	PlanFile     = "plan.json"
	FifoFile     = "exec.fifo"
	ErrorFile    = "init.error"
	ExitFile     = "exit.status"

	lockPatience = 10 * time.Second
)

// Record is what state.json holds.
type Record struct {
	ID          string            `json:"id"`
	OCIVersion  string            `json:"ociVersion"`
	Phase       Status            `json:"phase"` // creating or created
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Owner       string            `json:"owner"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Cell        kmod.ID           `json:"cell"` // 0 = not made yet
	Pid         int               `json:"pid"`  // 0 = not forked yet
	PidStart    uint64            `json:"pidStart"`
	Paused      bool              `json:"paused,omitempty"`
	Steps       []string          `json:"steps,omitempty"` // names for init.error
	// Mounts are the host's mount points of this container, in mount order
	// (NetBSD, which has one mount table for all).
	Mounts []string `json:"mounts,omitempty"`
}

// Container is a record together with its directory.
type Container struct {
	Dir  string
	Lock int       // descriptor of the locked directory, -1 = not locked
	Made *oci.Plan // set by create
	Record
}

func (c *Container) Path(name string) string { return filepath.Join(c.Dir, name) }

// Save replaces the record.
func (c *Container) Save() error {
	if c.Phase == Creating {
		return sys.WriteJSON(sys.ReplaceFile, c.Path(creatingFile), c.Record)
	}
	return sys.WriteJSON(sys.ReplaceFile, c.Path(stateFile), c.Record)
}

// Read finds the record, whichever there is.
func (c *Container) Read() error {
	err := sys.ReadJSON(c.Path(stateFile), &c.Record)
	if errors.Is(err, fs.ErrNotExist) {
		err = sys.ReadJSON(c.Path(creatingFile), &c.Record)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("container %q: %w", c.Name(), ErrNotExist)
	}
	return err
}

func At(root, id string) *Container {
	return &Container{Dir: filepath.Join(root, id), Lock: -1}
}

// Create makes and locks the directory of a new container. The remains
// of a create that was killed make way. A directory that was just made looks
// like remains until it is locked: who finds it gone then makes it again, and
// who finds a record in it has lost against another create.
func Create(root, id string, clear func() (bool, error)) (*Container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	c := At(root, id)
	taken := fmt.Errorf("create %q: %w", id, ErrExist)
	const tries = 100
	for range tries {
		err := os.Mkdir(c.Dir, 0o700)
		if errors.Is(err, fs.ErrExist) {
			cleared, cerr := clear()
			if !cleared || cerr != nil {
				return nil, errors.Join(taken, cerr)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("make state directory: %w", err)
		}
		err = c.Acquire()
		if errors.Is(err, ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := c.Read(); !errors.Is(err, ErrNotExist) {
			c.Release()
			return nil, taken
		}
		return c, nil
	}
	return nil, taken
}

// Load reads a container without locking it: what it sees is consistent,
// because the record is replaced by rename. A container whose record was
// never written is given back with ErrNotExist wrapped and dir set.
func Load(root, id string) (*Container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	c := At(root, id)
	return c, c.Read()
}

// LoadLocked reads a container with its lock held; the caller releases it.
func LoadLocked(root, id string) (*Container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	c := At(root, id)
	if err := c.Acquire(); err != nil {
		return nil, err
	}
	return c, c.Read()
}

// Acquire locks the directory and makes sure that it still is the one that
// its name stands for: a delete may have removed it while we waited.
func (c *Container) Acquire() error {
	deadline := time.Now().Add(lockPatience)
	for {
		fd, err := sys.Open(c.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("container %q: %w", c.Name(), ErrNotExist)
		}
		if err != nil {
			return fmt.Errorf("lock container: %w", err)
		}
		locked, err := flock.Try(fd, flock.Exclusive)
		if locked && sameFile(fd, c.Dir) {
			c.Lock = fd
			return nil
		}
		sys.CloseFD(fd)
		if err != nil {
			return fmt.Errorf("lock container: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("lock container %q: another runcell command has been working on it for %v", c.Name(), lockPatience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func sameFile(fd int, path string) bool {
	var a, b unix.Stat_t
	return unix.Fstat(fd, &a) == nil && unix.Lstat(path, &b) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

func (c *Container) Release() {
	sys.CloseFD(c.Lock)
	c.Lock = -1
}

// Locked tells whether another command holds the container's lock.
func (c *Container) Locked() bool {
	fd, err := sys.Open(c.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer sys.CloseFD(fd)
	free, err := flock.Try(fd, flock.Shared)
	return !free && err == nil
}

// Remove deletes the directory, the record last: a removal that is cut off
// can be repeated. Nothing may be mounted below it any more: RemoveAll would
// delete what is mounted.
func (c *Container) Remove() error {
	for _, name := range []string{FifoFile, ErrorFile, ExitFile, PlanFile, stateFile, creatingFile} {
		if err := sys.Remove(c.Path(name)); err != nil {
			return err
		}
	}
	if unix.Rmdir(c.Dir) == nil {
		return nil
	}
	// Something else is there: what a killed command was writing.
	if err := os.RemoveAll(c.Dir); err != nil {
		return fmt.Errorf("remove state: %w", err)
	}
	return nil
}

// Plan gives the Plan, which this process made or reads.
func (c *Container) Plan() (*oci.Plan, error) {
	if c.Made != nil {
		return c.Made, nil
	}
	p := new(oci.Plan)
	if err := sys.ReadJSON(c.Path(PlanFile), p); err != nil {
		return nil, fmt.Errorf("read plan of %q: %w", c.ID, err)
	}
	return p, nil
}

// Name is the id by which the directory is found.
func (c *Container) Name() string { return filepath.Base(c.Dir) }

// TryLock locks the container unless another command has.
func (c *Container) TryLock() (bool, error) {
	fd, err := sys.Open(c.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock container: %w", err)
	}
	locked, err := flock.Try(fd, flock.Exclusive)
	if locked && sameFile(fd, c.Dir) {
		c.Lock = fd
		return true, nil
	}
	sys.CloseFD(fd)
	if err != nil {
		return false, fmt.Errorf("lock container: %w", err)
	}
	return false, nil
}
