// Package runtime is a cell's life as an OCI container: create, start, exec,
// kill, delete, wait, state. It carries out an oci.Plan through kmod.
//
// Here is what the commands do, in order, and how a failed one is taken back.
// How a root is built, a process is made or an address is held is in the rooms
// below internal/. It never reads config.json but through oci, never decides
// what a cell may do, and never knows which kernel is behind kmod.Client.
//
// # In a program that goes on
//
// A daemon calls Embed first thing, makes a Runtime with Options.Embedded, and
// can rely on this (each line is a test):
//
//   - Any number of goroutines may call. Calls that change one container wait for
//     each other, 10 seconds at most, as for commands of runcell, which work
//     beside the daemon on the same containers.
//   - The process stays what it is: umask, working directory, root, namespaces.
//     Its other children are its own, as each of ours is asked for by its pid.
//     But SIGCHLD is caught (os/signal); a program must not ignore it, nor wait
//     for any child (wait4(2) of -1).
//   - A process gets three descriptors, its Streams or its terminal's, and none
//     else of this program's, whether they close with an exec or not; a hook on
//     the host gets three of its own.
//   - Create and Spawn give a Process, which is reaped when it ends. No thread
//     waits for it, and nothing of runcell stays in memory for it but that.
//   - A context that ends takes back what the call has done.
//   - A daemon that is started anew finds its containers by List; State, Kill,
//     Delete and Spawn work as before. A Process is its parent's: how one ended
//     that was made before, only Wait tells, where the kernel keeps it.
//
// What a daemon gets from its own parent goes to containers where nothing else is
// said: the limit of open files (Options.Nofile), the environment of hooks that
// name none, the umask and the nice value of processes whose configuration has
// none.
package runtime

import (
	"errors"
	"os"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/launch"
	"github.com/netbsd-cells/runcell/runtime/internal/network"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Runtime works on the containers below one state directory.
type Runtime struct {
	root      string
	kmod      kmod.Client
	addresses *network.Addresses
	strict    bool
	embedded  bool
	warned    once
	nofile    *oci.Rlimit
}

// Options configure a Runtime.
type Options struct {
	Root   string      // state directory, absolute
	Kmod   kmod.Client // the kernel boundary
	Strict bool        // turn every warning of the Plan into an error
	// Embedded is for a program that has called Embed and goes on while its
	// containers run: no process stays to keep an exit status, which the Process
	// tells, and each warning is given once below a state directory.
	Embedded bool
	// Nofile is the RLIMIT_NOFILE, soft and hard, of processes whose
	// configuration names none; nil = what this program was started with.
	Nofile *oci.Rlimit
}

// New gives a Runtime. It makes no directory: Create does.
func New(o Options) *Runtime {
	return &Runtime{
		root: o.Root, kmod: o.Kmod, addresses: network.New(o.Root),
		strict: o.Strict, embedded: o.Embedded, nofile: o.Nofile, warned: once{path: o.Root + "/" + warnedFile},
	}
}

// CreateOptions are the arguments of create and run.
type CreateOptions struct {
	ID            string
	Bundle        string // absolute
	PidFile       string // absolute, or empty
	ConsoleSocket string // path of the socket that gets the terminal, or empty
	// Terminal gets the terminal's master instead, and has to close it.
	Terminal    func(master *os.File) error
	Streams     *Streams // of a process without a terminal; nil = this program's
	PidfdSocket string   // emulator only
	PreserveFDs int      // descriptors from 3 on that the process keeps
	// Sockets are descriptors from 3 on that a service manager has opened for the
	// program, which is told of them; those of PreserveFDs follow.
	Sockets  Sockets
	NoCgroup bool // leave linux.cgroupsPath alone; emulator only
	NoPivot  bool // move the root instead of pivot_root(2); emulator only
	// Detach (run only): return once the process runs. Keep (run only): do
	// not delete the container at the end.
	Detach bool
	Keep   bool
	// AtOnce (run only) is told the exit status of a detached program that ends
	// within a moment; nil = nobody waits for that.
	AtOnce func(status int)
	// Signals (run only) go to the program; nil = none are caught.
	Signals *Signals
	// Restarts is how many containers of the same kind the caller has made before
	// this one, since their program ended; State tells it.
	Restarts int

	run bool // create and start in one
}

func (o CreateOptions) caller(nofile *oci.Rlimit) launch.Caller {
	return launch.Caller{
		PidFile: o.PidFile, ConsoleSocket: o.ConsoleSocket, Terminal: o.Terminal, Streams: o.Streams.files(), Nofile: nofile,
		PidfdSocket: o.PidfdSocket, Sockets: o.Sockets, PreserveFDs: o.PreserveFDs, Detach: o.Detach,
	}
}

// Sockets are what sd_listen_fds(3) tells of.
type Sockets = launch.Sockets

// ExecOptions are the arguments of exec.
type ExecOptions struct {
	ID            string
	Process       *oci.Process // complete: the caller has applied flags or --process
	PidFile       string       // absolute, or empty
	ConsoleSocket string       // path of the socket that gets the terminal, or empty
	// Terminal gets the terminal's master instead, and has to close it.
	Terminal    func(master *os.File) error
	Streams     *Streams // of a process without a terminal; nil = this program's
	PidfdSocket string   // emulator only
	PreserveFDs int      // descriptors from 3 on that the process keeps
	// Detach (Exec only): return once the process runs.
	Detach bool
	// Signals (Exec only) go to the process; nil = none are caught.
	Signals *Signals
}

func (o ExecOptions) caller(nofile *oci.Rlimit) launch.Caller {
	return launch.Caller{
		PidFile: o.PidFile, ConsoleSocket: o.ConsoleSocket, Terminal: o.Terminal, Streams: o.Streams.files(), Nofile: nofile,
		PidfdSocket: o.PidfdSocket, PreserveFDs: o.PreserveFDs, Detach: o.Detach,
	}
}

// State is what `runcell state` prints.
type State = state.State

// Status is a container's state as the spec names it.
type Status = state.Status

// The states.
const (
	Creating = state.Creating
	Created  = state.Created
	Running  = state.Running
	Paused   = state.Paused
	Stopped  = state.Stopped
)

// Errors that callers tell apart. Container tools match on these texts.
var (
	ErrNotExist   = state.ErrNotExist
	ErrExist      = state.ErrExist
	ErrNotRunning = state.ErrNotRunning
	ErrPaused     = errors.New("container is paused: resume it first")
)

// NotExistError is ErrNotExist, and says of which container.
type NotExistError = state.NotExistError

// ValidateID tells whether id can name a container: [A-Za-z0-9_+.-]+ of at most
// 255 bytes, but neither "." nor "..".
func ValidateID(id string) error { return state.ValidateID(id) }
