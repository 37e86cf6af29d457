package attack

// Sweeps over what one system call has behind it. They need no child for each
// attempt: what they open they close.

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/netbsd-cells/runcell/conformance/adversary/calls"
	"golang.org/x/sys/unix"
)

func systemSweeps() map[string]func() ([]item, error) {
	return map[string]func() ([]item, error){
		"socket": socketItems, "option": optionItems, "ioctl": ioctlItems, "device": deviceItems, "setting": settingItems,
	}
}

// pass takes note of a name, at nobody in particular.
func (f *found) pass(name string) { f.passAt(name, calls.Machine) }

// Domains, types and protocols that are tried: more than there are.
const (
	domains, types = 48, 8
	protocols      = 264
)

func socketItems() ([]item, error) {
	var items []item
	for domain := range domains {
		for kind := range types {
			name := fmt.Sprintf("%d.%d", domain, kind)
			items = append(items, item{name, func(*attacker) (found, error) {
				var f found
				for protocol := range protocols {
					f.tried++
					if fd, err := unix.Socket(domain, kind, protocol); err == nil {
						f.pass(fmt.Sprintf("%s.%d", name, protocol))
						_ = unix.Close(fd)
					}
				}
				return f, nil
			}})
		}
	}
	return items, nil
}

// optionItems set every option of every level of a socket, to 0, to 1, and to
// a structure of zeros.
func optionItems() ([]item, error) {
	levels := []int{unix.SOL_SOCKET}
	for level := range 256 {
		levels = append(levels, level)
	}
	var items []item
	for _, level := range levels {
		name := strconv.Itoa(level)
		items = append(items, item{name, func(a *attacker) (found, error) { return a.options(level) }})
	}
	return items, nil
}

// optionValues are 0, 1, and structures of zeros.
var optionValues = [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0}, make([]byte, 8), make([]byte, 16), make([]byte, 20), make([]byte, 136)}

func (a *attacker) options(level int) (found, error) {
	var f found
	numbers := 256
	if level == unix.SOL_SOCKET {
		numbers = 0x2000
	}
	for n := range numbers {
		for _, socket := range []string{"sock", "tcp", "inet6", "local"} {
			if a.option(&f, a.scene.fds[socket], level, n) {
				f.pass(fmt.Sprintf("%d.%#x", level, n))
				if err := a.scene.set(); err != nil {
					return f, err
				}
			}
		}
	}
	return f, nil
}

// option tries one option of one socket.
func (a *attacker) option(f *found, fd, level, n int) (pass bool) {
	for _, value := range optionValues {
		f.tried++
		_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(n),
			uintptr(unsafe.Pointer(&value[0])), uintptr(len(value)), 0)
		if errno == unix.ENOPROTOOPT {
			return pass // there is none, of whatever size
		}
		pass = pass || errno == 0
	}
	return pass
}

func ioctlItems() ([]item, error) {
	names, err := calls.Ioctls(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	var items []item
	// One of each kind that has requests of its own.
	for _, name := range []string{"file", "null", "sock", "local", "pipe", "kq", "ptm", "pty", "pts"} {
		for group := range uint32(calls.Groups) {
			items = append(items, item{fmt.Sprintf("%s.%#x", name, group), func(a *attacker) (found, error) {
				return a.ioctls(name, calls.Group(group, names), names)
			}})
		}
	}
	return items, nil
}

func (a *attacker) ioctls(name string, codes []uint32, names map[uint32]string) (found, error) {
	var f found
	fd := a.scene.fds[name]
	if fd < 0 {
		return f, nil
	}
	arg := make([]byte, 8192)
	for _, code := range codes {
		f.tried++
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(code), uintptr(unsafe.Pointer(&arg[0])))
		clear(arg)
		if errno != 0 {
			continue
		}
		label := names[code]
		if label == "" {
			label = fmt.Sprintf("%#x", code)
		}
		f.pass(name + "." + label)
		if err := a.scene.set(); err != nil {
			return f, err
		}
	}
	return f, nil
}

// Nodes is where the host has made device nodes, named KIND-MAJOR-MINOR.
const Nodes = "/nodes"

// deviceItems open every node, a major number at a time.
func deviceItems() ([]item, error) {
	entries, err := os.ReadDir(Nodes)
	if err != nil {
		return nil, fmt.Errorf("find device nodes: %w", err)
	}
	var items []item
	for _, e := range entries {
		items = append(items, item{e.Name(), func(*attacker) (found, error) { return openAll(e.Name()) }})
	}
	return items, nil
}

func openAll(major string) (found, error) {
	var f found
	entries, err := os.ReadDir(Nodes + "/" + major)
	if err != nil {
		return f, fmt.Errorf("find device nodes: %w", err)
	}
	for _, e := range entries {
		for word, flags := range map[string]int{"r": unix.O_RDONLY, "w": unix.O_WRONLY, "rw": unix.O_RDWR} {
			f.tried++
			fd, err := unix.Open(strings.Join([]string{Nodes, major, e.Name()}, "/"), flags|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
			if err == nil {
				f.pass(major + "." + e.Name() + "." + word)
				_ = unix.Close(fd)
			}
		}
	}
	return f, nil
}
