package kmod

// Programs for Linux of one system call, for kernels that emulate it: the
// kernel's tkill and tgkill there ask, and then do not listen, and its syncfs
// panics.

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// linuxArch is how one of Linux's instruction sets makes system calls.
type linuxArch struct {
	name          string
	tkill, tgkill uint32
	syncfs        uint32
	exit          uint32  // exit_group
	number        byte    // mov $imm32, the register of the number
	args          [3]byte // of the arguments
	call          []byte  // the system call
	result        []byte  // neg, and mov to the first argument
}

var linuxArchs = []linuxArch{
	{"amd64", 200, 234, 306, 231, 0xb8, [3]byte{0xbf, 0xbe, 0xba}, []byte{0x0f, 0x05}, []byte{0xf7, 0xd8, 0x89, 0xc7}},
	{"386", 238, 270, 344, 252, 0xb8, [3]byte{0xbb, 0xb9, 0xba}, []byte{0xcd, 0x80}, []byte{0xf7, 0xd8, 0x89, 0xc3}},
}

// program is an executable that makes one call and exits with its errno.
func (a *linuxArch) program(number uint32, args ...int32) ([]byte, error) {
	var code bytes.Buffer
	set := func(register byte, value uint32) {
		code.WriteByte(register)
		code.Write(binary.LittleEndian.AppendUint32(nil, value))
	}
	for i, v := range args {
		set(a.args[i], uint32(v))
	}
	set(a.number, number)
	code.Write(a.call)
	code.Write(a.result)
	set(a.number, a.exit)
	code.Write(a.call)
	const base = 0x400000
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', 0, byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT), byte(elf.ELFOSABI_LINUX)}
	var h, p any
	if a.name == "386" {
		const headers = 52 + 32
		size := uint32(headers + code.Len())
		ident[elf.EI_CLASS] = byte(elf.ELFCLASS32)
		h = &elf.Header32{
			Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_386), Version: 1,
			Entry: base + headers, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: 1,
		}
		p = &elf.Prog32{Type: uint32(elf.PT_LOAD), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Flags: uint32(elf.PF_R | elf.PF_X), Align: 0x1000}
	} else {
		const headers = 64 + 56
		size := uint64(headers + code.Len())
		ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
		h = &elf.Header64{
			Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
			Entry: base + headers, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		}
		p = &elf.Prog64{Type: uint32(elf.PT_LOAD), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Flags: uint32(elf.PF_R | elf.PF_X), Align: 0x1000}
	}
	var out bytes.Buffer
	err := errors.Join(binary.Write(&out, binary.LittleEndian, h), binary.Write(&out, binary.LittleEndian, p))
	out.Write(code.Bytes())
	return out.Bytes(), err
}

// linuxCall lets a member execute a program for Linux, and gives the errno of
// its call; false if the kernel has no emulation of it.
func (w *world) linuxCall(m *member, a *linuxArch, number uint32, args ...int32) (unix.Errno, bool) {
	text, err := a.program(number, args...)
	w.Must("make a program for Linux", err)
	name := fmt.Sprintf("tmp/%s-%d%v", a.name, number, args)
	w.Must("write it", os.WriteFile(filepath.Join(w.root, name), text, 0o600))
	w.Must("let it be executed", os.Chmod(filepath.Join(w.root, name), 0o755))
	r := m.try("program", "/"+name)
	if r.Errno == "ENOEXEC" {
		return 0, false
	}
	if r.Errno != "" {
		w.Fatalf("execute %s: %s", name, r.Detail)
	}
	return unix.Errno(r.Size), true
}

var linuxEscapes = []harness.Case{
	{
		Name: "escape/linux-tkill", Clause: "class process.signal.other_cell", Does: "a program for Linux signals its own cell's processes, and no others", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			ran := false
			for _, a := range linuxArchs {
				for _, uid := range []int{1000, 0} {
					m := w.agent(id, entry{uid: uid})
					ran = w.linuxKills(id, m, &a) || ran
				}
			}
			if !ran {
				w.Skipf("this kernel does not emulate Linux")
			}
		}),
	},
	{
		Name: "escape/linux-syncfs", Clause: "nothing in a cell panics the kernel", Does: "a program for Linux has no syncfs", OS: netbsd,
		Run: in(func(w *world) {
			id := w.cell(w.high(nil))
			for _, a := range linuxArchs {
				const enosys = 38 // Linux's number
				switch errno, ok := w.linuxCall(w.agent(id, entry{uid: 1000}), &a, a.syncfs, 0); {
				case !ok:
					w.Skipf("this kernel does not emulate Linux")
				case errno != enosys:
					w.Errorf("%s: syncfs = %d; want %d", a.name, errno, enosys)
				}
			}
		}),
	},
}

// linuxKills lets a member signal strangers and its own child in each way;
// false if it can't execute such programs.
func (w *world) linuxKills(id kmod.ID, m *member, a *linuxArch) bool {
	kill := func(pid int, want unix.Errno, number uint32, args ...int32) bool {
		errno, ok := w.linuxCall(m, a, number, args...)
		if ok && errno != want {
			w.Errorf("%s call %d %v = %d; want %d", a.name, number, args, errno, want)
		}
		return ok
	}
	for who, pid := range w.strangers(m) {
		p := int32(pid)
		for _, sig := range []int32{0, 9, 15} {
			if !kill(pid, unix.EPERM, a.tgkill, p, p, sig) {
				return false
			}
			kill(pid, unix.EPERM, a.tgkill, -1, p, sig)
			kill(pid, unix.EPERM, a.tkill, p, sig)
		}
		if !alive(pid) {
			w.Errorf("%s: its process was killed", who)
		}
	}
	kid := m.must("fork", "1").Pids[0]
	kill(kid, 0, a.tgkill, int32(kid), int32(kid), 0)
	kill(kid, 0, a.tkill, int32(kid), 9)
	w.Eventually(func() bool {
		pids, err := w.k.Processes(id)
		w.Must("list members", err)
		return !slices.Contains(pids, kid)
	}, "%s: the child has not ended", a.name)
	return true
}
