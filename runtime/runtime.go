// Package runtime is a cell's life as an OCI container: create, start, exec,
// kill, delete, wait, state. It carries out an oci.Plan through kmod.
package runtime

import (
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/network"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
)

// Runtime works on the containers below one state directory.
type Runtime struct {
	root      string
	kmod      kmod.Client
	addresses *network.Addresses
	strict    bool
}

// Options configure a Runtime.
type Options struct {
	Root   string      // state directory, absolute
	Kmod   kmod.Client // the kernel boundary
	Strict bool        // turn every warning of the Plan into an error
}

// New gives a Runtime. It makes no directory: Create does.
func New(o Options) *Runtime {
	return &Runtime{root: o.Root, kmod: o.Kmod, addresses: network.New(o.Root), strict: o.Strict}
}

// State is what `runcell state` prints (runtime-spec, runtime.md "State",
// plus the fields runc's callers read).
type State struct {
	OCIVersion  string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Status      state.Status      `json:"status"`
	Pid         int               `json:"pid"` // 0 when stopped
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Owner       string            `json:"owner"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// CreateOptions are the arguments of create and run.
type CreateOptions struct {
	ID            string
	Bundle        string // absolute
	PidFile       string // absolute, or empty
	ConsoleSocket string
	PidfdSocket   string // emulator only
	PreserveFDs   int
	NoCgroup      bool // leave linux.cgroupsPath alone; emulator only
	NoPivot       bool // move the root instead of pivot_root(2); emulator only
	// Detach (run only): return once the process runs. Keep (run only): do
	// not delete the container at the end.
	Detach bool
	Keep   bool
}

// ExecOptions are the arguments of exec.
type ExecOptions struct {
	ID            string
	Process       *oci.Process // complete: the caller has applied flags or --process
	PidFile       string
	ConsoleSocket string
	PidfdSocket   string
	PreserveFDs   int
	Detach        bool
}
