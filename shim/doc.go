// Package shim is what lets containerd run cells: io.containerd.runcell.v1. The
// rooms below are those of the program containerd-shim-runcell-v1: bootstrap is
// its command line and how it is found again, task the service that containerd
// calls, stdio the streams, mounts the root file system, events what containerd
// is told. No room knows which kernel is behind the cells, nor containerd's own
// code: only its API.
package shim

// Name is what `ctr run --runtime` and the configuration of containerd call the
// shim. The program's name is derived from it.
const Name = "io.containerd.runcell.v1"
