package emulator

// The other way into the kernel on amd64: int $0x80 has the numbers of i386,
// which the filter does not know.

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

// elf64 wraps code into the smallest static program.
func elf64(code []byte) []byte {
	const base, head = 0x400000, 64 + 56
	le := func(v uint64, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(v >> (8 * i))
		}
		return b
	}
	b := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, f := range []struct {
		v uint64
		n int
	}{
		// e_type EXEC, e_machine, e_version, e_entry, e_phoff, e_shoff, e_flags, sizes and counts
		{2, 2},
		{62, 2},
		{1, 4},
		{base + head, 8},
		{64, 8},
		{0, 8},
		{0, 4},
		{64, 2},
		{56, 2},
		{1, 2},
		{0, 2},
		{0, 2},
		{0, 2},
		// PT_LOAD, R+X, from the file's start
		{1, 4},
		{5, 4},
		{0, 8},
		{base, 8},
		{base, 8},
		{uint64(head + len(code)), 8},
		{uint64(head + len(code)), 8},
		{0x1000, 8},
	} {
		b = append(b, le(f.v, f.n)...)
	}
	return append(b, code...)
}

func TestI386CallsKill(t *testing.T) {
	h := newHost(t)
	code := []byte{
		0xb8, 20, 0, 0, 0, // mov $getpid, %eax
		0xcd, 0x80, // int $0x80
		0xb8, 60, 0, 0, 0, // mov $exit, %eax
		0x31, 0xff, // xor %edi, %edi
		0x0f, 0x05, // syscall
	}
	probe := filepath.Join(h.rootfs, "probe")
	if err := os.Remove(probe); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(probe, elf64(code), 0o755); err != nil {
		t.Fatal(err)
	}
	// A machine without i386 calls kills it in its own way.
	want := unix.SIGSYS
	if err := exec.Command(probe).Run(); err != nil {
		var x *exec.ExitError
		if !errors.As(err, &x) {
			t.Fatal(err)
		}
		want = x.Sys().(syscall.WaitStatus).Signal()
	}
	_, ws := h.start(h.cell(kmod.Spec{Permissions: policy.All()}), "i386").output()
	if ws.Signal() != want {
		t.Errorf("a program that makes an i386 call ended with %v, status %d; want %v", ws.Signal(), ws.ExitStatus(), want)
	}
}
