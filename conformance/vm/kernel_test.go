package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tinyKernel is a kernel that prints what the loader gave it, as an ELF64 file
// like NetBSD's: linked above KERNBASE, with bss and a symbol table.
func tinyKernel(t *testing.T, change func(h *elf.Header64, text *elf.Prog64)) string {
	t.Helper()
	dir := t.TempDir()
	flat := filepath.Join(dir, "flat")
	for _, args := range [][]string{
		{
			"gcc", "-m32", "-Os", "-ffreestanding", "-fno-pie", "-fno-stack-protector", "-nostdlib", "-static",
			"-Wl,-N,-Ttext=0x100000,-e,start,--build-id=none", "-o", flat + ".elf", "testdata/tinykernel.c",
		},
		{"objcopy", "-O", "binary", "-j", ".text", "-j", ".rodata", "-j", ".data", flat + ".elf", flat},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	code, err := os.ReadFile(flat)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(flat + ".elf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	const base, bss = 0xffffffff80100000, 0x10000
	names := []byte("\x00netbsd\x00")
	symbols := []elf.Sym64{{}, {Name: 1, Value: base}}
	order := binary.LittleEndian
	codeAt := uint64(64 + 56)
	symAt := codeAt + uint64(len(code))
	strAt := symAt + 48
	h := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
		Entry: base - 0x100000 + f.Entry, Phoff: 64, Shoff: strAt + 8, Ehsize: 64,
		Phentsize: 56, Phnum: 1, Shentsize: 64, Shnum: 3,
	}
	text := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: 7, Off: codeAt, Vaddr: base,
		Filesz: uint64(len(code)), Memsz: uint64(len(code)) + bss,
	}
	if change != nil {
		change(&h, &text)
	}
	var b bytes.Buffer
	for _, part := range []any{h, text, code, symbols, names, []elf.Section64{
		{},
		{Type: uint32(elf.SHT_SYMTAB), Off: symAt, Size: 48, Link: 2, Addralign: 8, Entsize: 24},
		{Type: uint32(elf.SHT_STRTAB), Off: strAt, Size: 8, Addralign: 1},
	}} {
		if err := binary.Write(&b, order, part); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "kernel")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// bootTiny boots a kernel and returns the console's text.
func bootTiny(t *testing.T, kernel, root, flags string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	qemu, err := findQEMU()
	if err != nil {
		t.Fatal(err)
	}
	loader, err := buildLoader(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{qemu: qemu, kvm: kvmUsable(), cpus: 1, memory: 256, loader: loader, kernel: kernel, root: root, flags: flags}
	r, err := m.start(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for e := range r.lines {
		text.Write(e.data)
		if s := text.String(); strings.Contains(s, "done\n") || strings.Contains(s, "loader: ") && strings.HasSuffix(s, "\n") {
			break
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	return text.String()
}

// The loader enters the kernel as boot(8) does: arguments on the stack, boot
// information, memory map, symbols, a zeroed bss.
func TestLoader(t *testing.T) {
	got := bootTiny(t, tinyKernel(t, nil), "ld0a", "-vs")
	for _, want := range []string{
		"howto 00020002\n",
		"bss is zero\n",
		"root ld0a\n",
		"path netbsd\n",
		"console com 000003f8 0001c200\n",
		"memory 00000000 0009fc00 00000001\n",
		"memory 00100000 0fee0000 00000001\n",
		"symbols 00000001 netbsd\n",
		"esym is the symbols' end\n",
		"done\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the kernel does not print %q; it prints\n%s", want, got)
		}
	}
}

func TestLoaderRefuses(t *testing.T) {
	for want, test := range map[string]struct {
		change func(h *elf.Header64, text *elf.Prog64)
		flags  string
	}{
		"is truncated":               {func(_ *elf.Header64, text *elf.Prog64) { text.Off = 1 << 40 }, ""},
		"not for amd64":              {func(h *elf.Header64, _ *elf.Prog64) { h.Machine = uint16(elf.EM_AARCH64) }, ""},
		"not a 64-bit":               {func(h *elf.Header64, _ *elf.Prog64) { h.Ident[4] = 1 }, ""},
		"larger in the file":         {func(_ *elf.Header64, text *elf.Prog64) { text.Memsz = 1 }, ""},
		"between 1 MB and 128 MB":    {func(_ *elf.Header64, text *elf.Prog64) { text.Memsz = 1 << 30 }, ""},
		"nothing to load":            {func(_ *elf.Header64, text *elf.Prog64) { text.Type = 0 }, ""},
		"has an unknown flag":        {nil, "-q"},
		"has an unknown word; known": {nil, "quiet"},
	} {
		t.Run(want, func(t *testing.T) {
			if got := bootTiny(t, tinyKernel(t, test.change), "wd0a", test.flags); !strings.Contains(got, want) {
				t.Errorf("the loader prints %q; want %q", got, want)
			}
		})
	}
}

// A stripped kernel starts as well, without symbols.
func TestLoaderStripped(t *testing.T) {
	got := bootTiny(t, tinyKernel(t, func(h *elf.Header64, _ *elf.Prog64) { h.Shnum = 0 }), "wd0a", "")
	if !strings.Contains(got, "no symbols\n") || !strings.Contains(got, "done\n") {
		t.Errorf("the kernel prints\n%s", got)
	}
}

func TestCheckKernel(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		tinyKernel(t, nil):                     "",
		dir + "/missing":                       "KERNEL= names",
		file("text", []byte("not a kernel")):   "not an ELF file",
		file("gz", []byte{0x1f, 0x8b, 8, 0}):   "gunzip",
		file("empty", nil):                     "not an ELF file",
		file("cut", []byte("\x7fELF\x02\x01")): "check kernel",
		self:                                   "not a kernel",
		tinyKernel(t, func(h *elf.Header64, _ *elf.Prog64) { h.Machine = uint16(elf.EM_AARCH64) }): "EM_AARCH64",
	} {
		err := checkKernel(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("checkKernel(%s) = %v; want %q", path, err, want)
		}
	}
}

func FuzzIsKernel(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, b []byte) {
		if isKernel(bytes.NewReader(b)) == nil && len(b) < 64+56 {
			t.Errorf("%q is a kernel", b)
		}
	})
}

func TestVirtualizes(t *testing.T) {
	for text, want := range map[string]bool{
		"processor\t: 0\nflags\t\t: fpu vme svm\n":                 true,
		"processor\t: 0\nflags\t\t: fpu vmx\nvmx flags\t: x\n":     true,
		"processor\t: 0\nmodel name\t: svm\nflags\t\t: fpu svmx\n": false,
		"": false,
	} {
		if got := virtualizes(text); got != want {
			t.Errorf("virtualizes(%q) = %v", text, got)
		}
	}
}

// From the options to the verdict, with a kernel that does nothing: the image
// is built, the machine runs, the guest is given up.
func TestWholeRun(t *testing.T) {
	o := options{
		kernel: tinyKernel(t, nil), suite: "smoke", root: "wd0a", logs: t.TempDir(),
		cpus: 2, memory: 256, rounds: 1, quiet: 3 * time.Second,
	}
	var out strings.Builder
	ok, err := test(t.Context(), o, &out)
	if ok || err != nil {
		t.Errorf("test = %v, %v", ok, err)
	}
	for _, want := range []string{"not ok 1 - smoke\n", "the guest hangs: not a word for 3s", "# 0 passed, 2 failed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	checkTAP(t, out.String(), false)
	if log, err := os.ReadFile(filepath.Join(o.logs, "console.log")); err != nil || !strings.Contains(string(log), "root wd0a") {
		t.Errorf("console log is %q, %v", log, err)
	}
}
