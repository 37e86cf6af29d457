package emulator

// Device nodes closed to a whole cgroup, for the published module: a program of
// two instructions at the cgroup's device hook, which goes with the cgroup.

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// noDevice gives 0, which is EPERM, for every node.
var noDevice = [...]uint64{
	0xb7, // mov64 r0, 0
	0x95, // exit
}

// deviceHook tells why device nodes can't be closed, nil if they can.
func deviceHook() error { return hookable(unix.BPF_CGROUP_DEVICE) }

// closeDevices keeps the processes of a cgroup from opening device nodes.
func closeDevices(dir string) error {
	cgroup, err := openDir(dir)
	if err != nil {
		return fmt.Errorf("open cgroup %s: %w", dir, err)
	}
	defer func() { _ = unix.Close(cgroup) }()
	prog, err := loadProgram(unix.BPF_PROG_TYPE_CGROUP_DEVICE, "runcell_device", unix.BPF_CGROUP_DEVICE, noDevice[:])
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(prog) }()
	return attachProgram(cgroup, prog, unix.BPF_CGROUP_DEVICE)
}
