package emulator

// What a test does to a thread of its own: other mounts, system calls that fail.

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// onThread runs do on a thread that ends with it.
func onThread(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		do()
	}()
	<-done
}

// withMounts runs do on a thread whose mounts are its own, from now on.
func withMounts(t *testing.T, do func()) {
	t.Helper()
	onThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		mount(t, "", "/", "", unix.MS_REC|unix.MS_PRIVATE)
		if !t.Failed() { // or it would be the host's
			do()
		}
	})
}

func mount(t *testing.T, what, where, kind string, flags uintptr) {
	t.Helper()
	if err := unix.Mount(what, where, kind, flags, ""); err != nil {
		t.Errorf("mount %s: %v", where, err)
	}
}

// cover puts a file with this text over another one.
func cover(t *testing.T, file, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	mount(t, name, file, "", unix.MS_BIND)
}

// forbid has system calls of the calling thread fail: those whose argument has
// not these bits.
func forbid(nr uint32, argument int, bits uint32, errno unix.Errno) error {
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: nr, SkipTrue: 3},
		bpf.LoadAbsolute{Off: uint32(16 + 8*argument), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: bits, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(prog))); errno != 0 {
		return errno
	}
	return nil
}
