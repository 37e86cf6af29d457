package process

// The working directory. Some directories can be entered by root alone, and
// some by the user alone, on a network file system that trusts no root: so it
// is tried as both, as with the peers.

import (
	"fmt"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod/stage"
	"golang.org/x/sys/unix"
)

// cwd is the change to a working directory.
type cwd struct {
	path    string
	entered *int32 // 0 = it was entered, once or twice; chdir(2)'s result is stored here
	buf     *[unix.PathMax]byte
}

func newCwd(path string) *cwd {
	entered := new(int32)
	*entered = -1
	return &cwd{path, entered, new([unix.PathMax]byte)}
}

// change tries to change to the directory, and makes sure that it lies inside
// the container's root: a path such as /proc/self/fd/7 can name a descriptor
// that the runtime has open (CVE-2024-21626).
func (c *cwd) change() ([]stage.Step, error) {
	chdir, err := stage.Path(c.name(), unix.SYS_CHDIR, c.path)
	if err != nil {
		return nil, err
	}
	chdir.Store, chdir.Keep = AddressOf(c.entered), append(chdir.Keep, c.entered)
	chdir.Tolerate[0] = unix.EACCES
	slash := &[1]byte{'/'}
	get := stage.Sys("read the working directory", sysGetcwd, uintptr(unsafe.Pointer(c.buf)), uintptr(len(c.buf)))
	get.Keep = []any{c.buf}
	// NetBSD asks whether the user may search all directories above. What root
	// has found of the same path is in the buffer then.
	get.Tolerate[0] = unix.EACCES
	inside := stage.Step{
		Name: "process.cwd " + c.path + " lies outside of the container", Kind: stage.Same,
		Args: [6]uintptr{uintptr(unsafe.Pointer(c.buf)), uintptr(unsafe.Pointer(slash)), 1}, Keep: []any{c.buf, slash},
	}
	return []stage.Step{chdir, get, inside}, nil
}

// done fails unless one of the tries has succeeded.
func (c *cwd) done() stage.Step {
	zero := new(int32)
	return stage.Step{
		Name: c.name(), Kind: stage.Same, Want: uintptr(unix.EACCES),
		Args: [6]uintptr{AddressOf(c.entered), AddressOf(zero), unsafe.Sizeof(*zero)}, Keep: []any{c.entered, zero},
	}
}

func (c *cwd) name() string { return fmt.Sprintf("change to process.cwd %s", c.path) }
