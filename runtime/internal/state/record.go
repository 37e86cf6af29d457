package state

// A container's record, and its directory while it lasts.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
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

// NotExistError is ErrNotExist, and says of which container.
type NotExistError struct{ ID string }

func (e NotExistError) Error() string { return fmt.Sprintf("container %q: %v", e.ID, ErrNotExist) }

// Unwrap makes it ErrNotExist.
func (e NotExistError) Unwrap() error { return ErrNotExist }

const (
	creatingFile = "creating.json"
	stateFile    = "state.json"
	planFile     = "plan.json"
	// FifoFile is the FIFO that `start` writes to; it is there until then.
	FifoFile = "exec.fifo"
	// ErrorFile is the FIFO by which the child's program tells `start` which step
	// failed after it was created, a stage.Record.
	ErrorFile = "init.error"
	stepsFile = "init.steps" // names for the steps of ErrorFile
	// ExitFile is where a monitor writes how the process ended.
	ExitFile = "exit.status"
	// StopFile says that somebody has asked the container to stop: its time of
	// creation, so that it is never taken for another one's.
	StopFile = "stop.asked"
)

// Record is what is stored of a container.
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
	// NoPorts says that no port was asked for, so that the kernel keeps none.
	NoPorts  bool `json:"noPorts,omitempty"`
	Restarts int  `json:"restarts,omitempty"` // lives before this one
	// Mounts are the host's mount points of this container, in mount order
	// (NetBSD, which has one mount table for all).
	Mounts []string `json:"mounts,omitempty"`
}

// Container is a record together with its directory.
type Container struct {
	Dir   string
	Lock  int       // descriptor of the locked directory, -1 = not locked
	plan  *oci.Plan // set where this process made it
	steps []string  // likewise
	Record
}

// Path is the host's path of a file in the container's directory.
func (c *Container) Path(name string) string { return filepath.Join(c.Dir, name) }

// Save replaces the record. Killed half-way it leaves the old one.
func (c *Container) Save() error {
	if c.Phase == Creating {
		return sys.WriteJSON(sys.ReplaceFile, c.Path(creatingFile), c.Record)
	}
	return sys.WriteJSON(sys.ReplaceFile, c.Path(stateFile), c.Record)
}

// Read finds the record, whichever there is. Without one the error wraps
// ErrNotExist.
func (c *Container) Read() error {
	err := sys.ReadJSON(c.Path(stateFile), &c.Record)
	if errors.Is(err, fs.ErrNotExist) {
		err = sys.ReadJSON(c.Path(creatingFile), &c.Record)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return NotExistError{c.Name()}
	}
	if err == nil {
		err = c.check()
	}
	return err
}

// check refuses a record that is not this container's, or of no state that Save
// writes: who believed it would take the container for another, or for stopped.
func (c *Container) check() error {
	var wrong string
	switch {
	case c.ID != c.Name():
		wrong = fmt.Sprintf("id is %q", c.ID)
	case c.Phase != Creating && c.Phase != Created:
		wrong = fmt.Sprintf("phase is %q", c.Phase)
	case c.Pid < 0 || c.Phase == Created && (c.Pid == 0 || c.Cell == 0):
		wrong = fmt.Sprintf("pid is %d, cell %d", c.Pid, c.Cell)
	default:
		return nil
	}
	return fmt.Errorf("read state %s: its %s, which runcell did not write (remove the container with `delete --force`)", c.Dir, wrong)
}

// At gives a container that nothing was read of. id must be valid.
func At(root, id string) *Container {
	return &Container{Dir: filepath.Join(root, id), Lock: -1}
}

// Create makes and locks the directory of a new container. A directory that is
// there goes to remove, which tells whether it was the remains of a create that
// was killed and is gone; if not, the error wraps ErrExist.
//
// A directory that was just made looks like remains until it is locked: who
// finds it gone then makes it again, and who finds a record in it has lost
// against another create.
func Create(ctx context.Context, root, id string, remove func() (bool, error)) (*Container, error) {
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
			cleared, cerr := remove()
			if !cleared || cerr != nil {
				return nil, errors.Join(taken, cerr)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("make state directory: %w", err)
		}
		err = c.Acquire(ctx)
		if errors.Is(err, ErrNotExist) {
			continue
		}
		if errors.Is(err, errBusy) {
			return nil, err
		}
		if err == nil {
			err = c.Read()
		}
		switch {
		case errors.Is(err, ErrNotExist):
			return c, nil
		case err == nil:
			err = taken
		default:
			err = errors.Join(fmt.Errorf("create %q: %w", id, err), c.unmake())
		}
		c.Release()
		return nil, err
	}
	return nil, taken
}

// unmake takes a directory back that was made and nothing was written to. One
// that something is in is another's by now.
func (c *Container) unmake() error {
	err := unix.Rmdir(c.Dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return fmt.Errorf("remove %s again: %w", c.Dir, err)
}

// Load reads a container without locking it: what it sees is consistent,
// because the record is replaced by rename. A container whose record can't be
// read is given back beside the error, which wraps ErrNotExist where none was
// written; for an id that is none there is no container.
func Load(root, id string) (*Container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	c := At(root, id)
	return c, c.Read()
}

// LoadLocked is Load with the lock held, which the caller releases wherever
// there is a container.
func LoadLocked(ctx context.Context, root, id string) (*Container, error) {
	if err := ValidateID(id); err != nil {
		return nil, err
	}
	c := At(root, id)
	if err := c.Acquire(ctx); err != nil {
		return nil, err
	}
	return c, c.Read()
}

// Remove deletes the directory, the record last: a removal that is cut off
// can be repeated. Nothing may be mounted below it any more: RemoveAll would
// delete what is mounted.
func (c *Container) Remove() error {
	for _, name := range []string{FifoFile, ErrorFile, stepsFile, ExitFile, StopFile, planFile, stateFile, creatingFile} {
		if err := sys.Remove(c.Path(name)); err != nil && !isDir(c.Path(name)) { // it goes below
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

func isDir(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// SavePlan stores the Plan, once, before the first Save.
func (c *Container) SavePlan(p *oci.Plan) error {
	c.plan = p
	return sys.WriteJSON(sys.WriteFile, c.Path(planFile), p)
}

// Plan gives the Plan, which this process made or reads.
func (c *Container) Plan() (*oci.Plan, error) {
	if c.plan != nil {
		return c.plan, nil
	}
	p := new(oci.Plan)
	if err := sys.ReadJSON(c.Path(planFile), p); err != nil {
		return nil, fmt.Errorf("read plan of %q: %w", c.ID, err)
	}
	return p, nil
}

// SetSteps sets the names of the steps that the child goes through.
func (c *Container) SetSteps(names []string) { c.steps = names }

// SaveSteps stores them for another command. They are not in the record, as every
// command reads that, and only a start that fails needs them.
func (c *Container) SaveSteps() error {
	return sys.WriteJSON(sys.WriteFile, c.Path(stepsFile), c.steps)
}

// Steps gives them, if they are known: an error is told without them, too.
func (c *Container) Steps() []string {
	names := c.steps
	if names == nil && sys.ReadJSON(c.Path(stepsFile), &names) != nil {
		return nil
	}
	return names
}

// Name is the id by which the directory is found.
func (c *Container) Name() string { return filepath.Base(c.Dir) }

// IDs lists the containers below a state root, by id; without the root there
// are none. Each may be gone by the time that it is looked at.
func IDs(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read state directory: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && ValidateID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
