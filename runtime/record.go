package runtime

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
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/oci/strictjson"
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
	planFile     = "plan.json"
	fifoFile     = "exec.fifo"
	errorFile    = "init.error"
	exitFile     = "exit.status"

	lockPatience = 10 * time.Second
)

// record is what state.json holds.
type record struct {
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

// stored is a record together with its directory.
type stored struct {
	dir  string
	lock int       // descriptor of the locked directory, -1 = not locked
	made *oci.Plan // set by create
	record
}

func (c *stored) path(name string) string { return filepath.Join(c.dir, name) }

// save replaces the record.
func (c *stored) save() error {
	if c.Phase == Creating {
		return writeJSON(replaceSmall, c.path(creatingFile), c.record)
	}
	return writeJSON(replaceSmall, c.path(stateFile), c.record)
}

// read finds the record, whichever there is.
func (c *stored) read() error {
	err := readJSON(c.path(stateFile), &c.record)
	if errors.Is(err, fs.ErrNotExist) {
		err = readJSON(c.path(creatingFile), &c.record)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("container %q: %w", c.name(), ErrNotExist)
	}
	return err
}

// writeJSON writes a file of the state directory, which only root can write.
func writeJSON(write func(path string, b []byte, mode uint32) error, path string, v any) error {
	b, err := strictjson.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := write(path, b, 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

func readJSON(path string, v any) error {
	b, err := readSmall(path)
	if err != nil {
		return err
	}
	if _, err := strictjson.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read state %s: %w (remove the container with `delete --force`)", path, err)
	}
	return nil
}

func storedAt(root, id string) *stored {
	return &stored{dir: filepath.Join(root, id), lock: -1}
}

// createStored makes and locks the directory of a new container. The remains
// of a create that was killed make way. A directory that was just made looks
// like remains until it is locked: who finds it gone then makes it again, and
// who finds a record in it has lost against another create.
func createStored(root, id string, clear func() (bool, error)) (*stored, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	c := storedAt(root, id)
	taken := fmt.Errorf("create %q: %w", id, ErrExist)
	const tries = 100
	for range tries {
		err := os.Mkdir(c.dir, 0o700)
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
		err = c.acquire()
		if errors.Is(err, ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := c.read(); !errors.Is(err, ErrNotExist) {
			c.release()
			return nil, taken
		}
		return c, nil
	}
	return nil, taken
}

// loadStored reads a container without locking it: what it sees is consistent,
// because the record is replaced by rename. A container whose record was
// never written is given back with ErrNotExist wrapped and dir set.
func loadStored(root, id string) (*stored, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	c := storedAt(root, id)
	return c, c.read()
}

// loadStoredLocked reads a container with its lock held; the caller releases it.
func loadStoredLocked(root, id string) (*stored, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	c := storedAt(root, id)
	if err := c.acquire(); err != nil {
		return nil, err
	}
	return c, c.read()
}

// acquire locks the directory and makes sure that it still is the one that
// its name stands for: a delete may have removed it while we waited.
func (c *stored) acquire() error {
	deadline := time.Now().Add(lockPatience)
	for {
		fd, err := openRetry(c.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("container %q: %w", c.name(), ErrNotExist)
		}
		if err != nil {
			return fmt.Errorf("lock container: %w", err)
		}
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && sameFile(fd, c.dir) {
			c.lock = fd
			return nil
		}
		closeFD(fd)
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("lock container: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("lock container %q: another runcell command has been working on it for %v", c.name(), lockPatience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func sameFile(fd int, path string) bool {
	var a, b unix.Stat_t
	return unix.Fstat(fd, &a) == nil && unix.Lstat(path, &b) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

func (c *stored) release() {
	closeFD(c.lock)
	c.lock = -1
}

// locked tells whether another command holds the container's lock.
func (c *stored) locked() bool {
	fd, err := openRetry(c.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer closeFD(fd)
	return errors.Is(unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// remove deletes the directory, the record last: a removal that is cut off
// can be repeated. Nothing may be mounted below it any more: RemoveAll would
// delete what is mounted.
func (c *stored) remove() error {
	for _, name := range []string{fifoFile, errorFile, exitFile, planFile, stateFile, creatingFile} {
		if err := removeFile(c.path(name)); err != nil {
			return err
		}
	}
	if unix.Rmdir(c.dir) == nil {
		return nil
	}
	// Something else is there: what a killed command was writing.
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove state: %w", err)
	}
	return nil
}

// plan gives the Plan, which this process made or reads.
func (c *stored) plan() (*oci.Plan, error) {
	if c.made != nil {
		return c.made, nil
	}
	p := new(oci.Plan)
	if err := readJSON(c.path(planFile), p); err != nil {
		return nil, fmt.Errorf("read plan of %q: %w", c.ID, err)
	}
	return p, nil
}

// name is the id by which the directory is found.
func (c *stored) name() string { return filepath.Base(c.dir) }

// tryLock locks the container unless another command has.
func (c *stored) tryLock() (bool, error) {
	fd, err := openRetry(c.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock container: %w", err)
	}
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil && sameFile(fd, c.dir) {
		c.lock = fd
		return true, nil
	}
	closeFD(fd)
	if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		return false, fmt.Errorf("lock container: %w", err)
	}
	return false, nil
}
