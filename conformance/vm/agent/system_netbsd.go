package main

// What the agent asks of NetBSD: facts, modules, counters, names and ports.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
	"golang.org/x/sys/unix"
)

func system() operations {
	return operations{machine: machine, load: loadModule, unload: unloadModule, count: count, sysctl: setting}
}

// setting reads a number of four bytes, or else a text: nothing tells which it is
// but the size.
func setting(name string) (string, error) {
	b, err := unix.SysctlRaw(name)
	if err != nil {
		return "", err
	}
	const number = 4
	if len(b) == number {
		return strconv.Itoa(int(int32(binary.NativeEndian.Uint32(b)))), nil
	}
	return strings.TrimRight(string(b), "\x00"), nil
}

func machine() (m protocol.Machine, err error) {
	for _, v := range []struct {
		name string
		to   *string
	}{
		{"kern.ostype", &m.System},
		{"kern.osrelease", &m.Release},
		{"kern.version", &m.Version},
		{"hw.machine_arch", &m.Machine},
	} {
		if *v.to, err = unix.Sysctl(v.name); err != nil {
			return m, fmt.Errorf("read %s: %w", v.name, err)
		}
	}
	m.Version, _, _ = strings.Cut(m.Version, "\n")
	cpus, err := unix.SysctlUint32("hw.ncpu")
	if err != nil {
		return m, fmt.Errorf("read hw.ncpu: %w", err)
	}
	m.CPUs = int(cpus)
	if m.Memory, err = unix.SysctlUint64("hw.physmem64"); err != nil {
		return m, fmt.Errorf("read hw.physmem64: %w", err)
	}
	return m, nil
}

// Commands of modctl(2).
const (
	modctlLoad    = 0
	modctlUnload  = 1
	modctlOldStat = 2 // of before NetBSD 9
	modctlStat    = 4
)

// modctlLoadArgs is modctl_load_t of sys/module.h.
type modctlLoadArgs struct {
	filename *byte
	flags    int32
	props    *byte
	propsLen uintptr
}

func modctl(command uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_MODCTL, command, uintptr(arg), 0); errno != 0 {
		return errno
	}
	return nil
}

// loadProperties let secmodel_cell be unloaded again, as a kernel under test
// wants it; other modules do not look at them.
var loadProperties = []byte(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>unload</key><true/></dict></plist>
` + "\x00")

func loadModule(path string) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	args := modctlLoadArgs{filename: p, props: &loadProperties[0], propsLen: uintptr(len(loadProperties))}
	if err := modctl(modctlLoad, unsafe.Pointer(&args)); err != nil {
		return fmt.Errorf("load module %s (the console says more): %w", path, err)
	}
	return nil
}

func unloadModule(name string) error {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	if err := modctl(modctlUnload, unsafe.Pointer(p)); err != nil {
		return fmt.Errorf("unload module %s: %w", name, err)
	}
	return nil
}

// modules is the length of the kernel's list of modules, in bytes: a record is
// of another size in each release, and the number of them is all that counts.
func modules() (int64, error) {
	b := make([]byte, 1<<16)
	list := unix.Iovec{Base: &b[0]}
	list.SetLen(len(b))
	err := modctl(modctlStat, unsafe.Pointer(&list))
	if errors.Is(err, unix.EINVAL) { // no such command
		err = modctl(modctlOldStat, unsafe.Pointer(&list))
	}
	if err != nil {
		return 0, fmt.Errorf("list modules: %w", err)
	}
	return int64(list.Len), nil
}

// settle is the time that the kernel's own threads get to finish what the last
// step began: dead processes, closed files.
const settle = time.Second

func count() (protocol.Counters, error) {
	debug.FreeOSMemory()
	_ = unix.Sync()
	if err := dropVnodes(); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	c := protocol.Counters{}
	uvm, err := uvmexp2()
	if err != nil {
		return nil, err
	}
	if err := uvmCounters(c, uvm); err != nil {
		return nil, err
	}
	pools, err := unix.SysctlRaw("kern.pool")
	if err != nil {
		return nil, fmt.Errorf("read kern.pool: %w", err)
	}
	if err := poolCounters(c, pools); err != nil {
		return nil, err
	}
	processes, err := unix.SysctlRaw("kern.proc2", 0, 0, kinfoSize, 1<<16)
	if err != nil {
		return nil, fmt.Errorf("read kern.proc2: %w", err)
	}
	c["processes"] = int64(len(processes) / kinfoSize)
	c["bytes of the module list"], err = modules()
	return c, err
}

// sysctl is __sysctl(2) by number; n is the length of what came.
func sysctl(mib []int32, from, to []byte) (n int, err error) {
	length := uintptr(len(to))
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib[0])), uintptr(len(mib)),
		uintptr(unsafe.Pointer(unsafe.SliceData(to))), uintptr(unsafe.Pointer(&length)),
		uintptr(unsafe.Pointer(unsafe.SliceData(from))), uintptr(len(from)))
	if errno != 0 {
		return 0, errno
	}
	return int(length), nil
}

// uvmexp2 reads vm.uvmexp2: asked for its size first, as unix.SysctlRaw does,
// it says 0.
func uvmexp2() ([]byte, error) {
	b := make([]byte, 4096)
	n, err := sysctl([]int32{2, 5}, nil, b) // CTL_VM, VM_UVMEXP2
	if err != nil {
		return nil, fmt.Errorf("read vm.uvmexp2: %w", err)
	}
	return b[:n], nil
}

// dropVnodes makes the kernel forget the files that nobody uses: it keeps them,
// and all that belongs to them, up to a limit, which is lowered for a moment.
func dropVnodes() error {
	mib := []int32{1, 5} // CTL_KERN, KERN_MAXVNODES
	limit := make([]byte, 4)
	if _, err := sysctl(mib, nil, limit); err != nil {
		return fmt.Errorf("read kern.maxvnodes: %w", err)
	}
	// It drops what it can, and fails when too many are in use.
	_, _ = sysctl(mib, binary.NativeEndian.AppendUint32(nil, 1), nil)
	if _, err := sysctl(mib, limit, nil); err != nil {
		return fmt.Errorf("restore kern.maxvnodes: %w", err)
	}
	return nil
}

// kinfoSize is the length of a kern.proc2 record that is asked for.
const kinfoSize = 680

// setHostname writes kern.hostname.
func setHostname(name string) error {
	if _, err := sysctl([]int32{1, 10}, []byte(name), nil); err != nil {
		return fmt.Errorf("set hostname: %w", err)
	}
	return nil
}

// loopbackUp gives lo0 its IPv4 address; the kernel gives it ::1 by itself.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("configure lo0: %w", err)
	}
	defer unix.Close(fd)
	const siocaifaddr, siocgifflags, siocsifflags, up = 0x8040691a, 0xc0906911, 0x80906910, 0x1
	alias := make([]byte, 64) // struct ifaliasreq: name, address, broadcast, mask
	copy(alias, "lo0")
	copy(alias[16:], []byte{16, unix.AF_INET, 0, 0, 127, 0, 0, 1})
	copy(alias[48:], []byte{16, unix.AF_INET, 0, 0, 255, 0, 0, 0})
	flags := make([]byte, 144) // struct ifreq: name, flags
	copy(flags, "lo0")
	for _, call := range []struct {
		request uintptr
		arg     []byte
	}{{siocgifflags, flags}, {siocsifflags, flags}, {siocaifaddr, alias}} {
		if call.request == siocsifflags {
			flags[16] |= up
		}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), call.request, uintptr(unsafe.Pointer(&call.arg[0]))); errno != 0 {
			return fmt.Errorf("configure lo0: %w", errno)
		}
	}
	return nil
}

// openReport opens the serial port that is not the console's, where no message
// of the kernel can get into the report, or else the console.
func openReport() (io.Writer, error) {
	port := reportPort()
	fd, err := unix.Open(port, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == nil {
		return serialPort(fd)
	}
	fmt.Fprintf(os.Stderr, "agent: open %s: %v: the report is on the console\n", port, err)
	fd, err = unix.Open("/dev/console", unix.O_WRONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	return os.NewFile(uintptr(fd), "console"), nil
}

// kernConsdev is KERN_CONSDEV (sys/sysctl.h): the console's device. It has to be
// asked with the right size, which unix.SysctlRaw does not know.
const kernConsdev = 54

// reportPort is the port beside the console's. A kernel with ACPI numbers QEMU's
// two the other way round. One that does not tell has its console on the first.
func reportPort() string {
	dev := make([]byte, 8)                              // dev_t
	n, err := sysctl([]int32{1, kernConsdev}, nil, dev) // CTL_KERN
	if err == nil && n == len(dev) && unix.Minor(binary.LittleEndian.Uint64(dev)) == 1 {
		return "/" + protocol.FirstPort
	}
	return "/" + protocol.SecondPort
}

// serialPort sets a port to pass bytes as they are, and to block.
func serialPort(fd int) (io.Writer, error) {
	t := unix.Termios{
		Cflag:  unix.CREAD | unix.CS8 | unix.CLOCAL,
		Ispeed: 115200, Ospeed: 115200,
	}
	t.Cc[unix.VMIN] = 1
	if err := unix.IoctlSetTermios(fd, unix.TIOCSETA, &t); err != nil {
		return nil, fmt.Errorf("set serial port: %w", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, fmt.Errorf("set serial port: %w", err)
	}
	return os.NewFile(uintptr(fd), "report"), nil
}
