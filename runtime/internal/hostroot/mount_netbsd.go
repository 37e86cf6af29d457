package hostroot

// The system calls behind Kernel.

import (
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"golang.org/x/sys/unix"
)

// System calls that x/sys does not name: those for struct statvfs as NetBSD
// 10 has it, and the older ones, for older kernels.
const (
	sysGetvfsstat90 = 483
	sysFstatvfs190  = 485

	netbsd10 = 1000000000 // kern.osrevision

	statNoWait = 2 // ST_NOWAIT: names and flags do not change
)

// nativeABI is the running machine's: of NetBSD's ports that Go runs on, i386
// alone aligns 64-bit integers to 4 bytes.
func nativeABI() abi {
	a := abi{pointer: int(unsafe.Sizeof(uintptr(0))), align64: 8}
	if goruntime.GOARCH == "386" {
		a.align64 = 4
	}
	return a
}

// netbsdKernel is the running kernel. A system call that it does not have
// would be a SIGSYS, so the version decides which ones are made.
type netbsdKernel struct {
	layout              vfsLayout
	getvfsstat, fstatfs uintptr
}

// NewKernel gives the running kernel. The error wraps that of sysctl(3).
func NewKernel() (Kernel, error) {
	revision, err := unix.SysctlUint32("kern.osrevision")
	if err != nil {
		return nil, fmt.Errorf("read kern.osrevision: %w", err)
	}
	if revision >= netbsd10 {
		return &netbsdKernel{newVfsLayout(nativeABI(), true), sysGetvfsstat90, sysFstatvfs190}, nil
	}
	return &netbsdKernel{newVfsLayout(nativeABI(), false), unix.SYS_GETVFSSTAT, unix.SYS_FSTATVFS1}, nil
}

func (*netbsdKernel) mount(m hostMount, path string) error {
	kind, err := unix.BytePtrFromString(m.kind)
	if err != nil {
		return err
	}
	on, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	target, err := unix.BytePtrFromString(m.source)
	if err != nil {
		return err
	}
	// The kernel finds the target by an address that Go does not know of.
	var pin goruntime.Pinner
	pin.Pin(target)
	defer pin.Unpin()
	args, err := mountArgs(nativeABI(), m, uint64(uintptr(unsafe.Pointer(target))))
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_MOUNT, uintptr(unsafe.Pointer(kind)), uintptr(unsafe.Pointer(on)),
		uintptr(m.flags), uintptr(unsafe.Pointer(&args[0])), uintptr(len(args)), 0)
	if errno != 0 {
		return mountError(m.kind, errno)
	}
	return nil
}

// mountError says what an errno of mount(2) means that a user can do
// something about.
func mountError(kind string, errno error) error {
	if errors.Is(errno, unix.ENODEV) {
		return fmt.Errorf("%w: this kernel has no %s: load it with `modload %s`", errno, kind, kind)
	}
	return errno
}

func (*netbsdKernel) unmount(path string, force bool) error {
	flags := 0
	if force {
		flags = mntForce
	}
	return unix.Unmount(path, flags)
}

// table reads the mount table on a thread of its own, which ends then: the kernel keeps
// a note for the thread about each mount that it has looked at (fstrans(9)), frees no
// mount that somebody has a note about, and takes longer for each step in any file
// system as long as there is such a mount. A process that stays, as a shim does, would
// keep them all.
func (k *netbsdKernel) table() ([]mountEntry, error) {
	var list []mountEntry
	err := process.OnThread(func() (err error) {
		list, err = k.readTable()
		return err
	})
	return list, err
}

// someMounts are few enough for 3 MB.
const someMounts = 1024

// readTable asks again while the table is longer than was expected.
func (k *netbsdKernel) readTable() ([]mountEntry, error) {
	for room := someMounts; ; {
		list, full, err := k.readMounts(room)
		if err != nil {
			return nil, fmt.Errorf("read mount table: %w", err)
		}
		if !full {
			return list, nil
		}
		have, err := k.count()
		if err != nil {
			return nil, err
		}
		room = have + someMounts
	}
}

// readMounts reads a table that has room for so many mounts. It is no memory of Go's,
// which would touch all of it.
func (k *netbsdKernel) readMounts(room int) (list []mountEntry, full bool, err error) {
	buf, err := unix.Mmap(-1, 0, room*k.layout.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, false, fmt.Errorf("make room for %d mounts: %w", room, err)
	}
	defer func() { err = errors.Join(err, unix.Munmap(buf)) }()
	n, _, errno := unix.Syscall(k.getvfsstat, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), statNoWait)
	if errno != 0 {
		return nil, false, errno
	}
	list, err = k.layout.parse(buf[:int(n)*k.layout.size])
	return list, int(n) == room, err
}

// walk has the kernel go through all mounts, and tells their number and what time of a
// processor it took: the least of a few times, as the first has the notes made, and a
// virtual machine's clock runs on while it has no processor.
func (k *netbsdKernel) walk() (mounts int, least time.Duration, err error) {
	const times = 4
	least = math.MaxInt64
	err = process.OnThread(func() (err error) {
		for try := 0; err == nil && try < times; try++ {
			var before, after unix.Rusage
			err = unix.Getrusage(unix.RUSAGE_SELF, &before)
			if err == nil {
				mounts, err = k.count()
			}
			if err == nil {
				err = unix.Getrusage(unix.RUSAGE_SELF, &after)
			}
			least = min(least, time.Duration(after.Stime.Nano()-before.Stime.Nano()))
		}
		return err
	})
	return mounts, least, err
}

func (k *netbsdKernel) count() (int, error) {
	n, _, errno := unix.Syscall(k.getvfsstat, 0, 0, statNoWait)
	if errno != 0 {
		return 0, fmt.Errorf("count mounts: %w", errno)
	}
	return int(n), nil
}

func (k *netbsdKernel) mountOf(p *inroot.Place) (mountEntry, error) {
	buf := make([]byte, k.layout.size)
	err := p.Ask(func(fd int) error {
		_, _, errno := unix.Syscall(k.fstatfs, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), statNoWait)
		if errno != 0 {
			return errno
		}
		return nil
	})
	if err != nil {
		return mountEntry{}, fmt.Errorf("find the mount: %w", err)
	}
	table, err := k.layout.parse(buf)
	if err != nil {
		return mountEntry{}, err
	}
	return table[0], nil
}

// CheckSecurelevel says early what mount(2) would only call EPERM (secmodel_securelevel(9)).
func CheckSecurelevel() error {
	level, err := unix.SysctlUint32("kern.securelevel")
	if err != nil {
		return nil //nolint:nilerr // this kernel has no such thing
	}
	return securelevelError(int32(level))
}

func securelevelError(level int32) error {
	if level < 2 {
		return nil
	}
	return fmt.Errorf("kern.securelevel is %d: from 2 on, the kernel allows no new mounts: "+
		"start cells before it is raised, or set securelevel=1 in /etc/rc.conf and reboot", level)
}
