package main

import (
	"bytes"
	"context"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bootTiny boots a kernel with a port's loader and returns the console's text.
func bootTiny(t *testing.T, p *port, kernel, root, flags string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	qemu, err := findQEMU()
	if err != nil {
		t.Fatal(err)
	}
	loader, err := buildLoader(ctx, t.TempDir(), p)
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
	want := []string{
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
	}
	for i := range ports {
		got := bootTiny(t, &ports[i], tinyKernel(t, &ports[i], nil), "ld0a", "-vs")
		for _, line := range want {
			if !strings.Contains(got, line) {
				t.Errorf("%s: the kernel does not print %q; it prints\n%s", ports[i].name, line, got)
			}
		}
	}
}

func TestLoaderRefuses(t *testing.T) {
	amd64, i386 := &ports[0], &ports[1]
	for want, test := range map[string]struct {
		loader, kernel *port
		change         func(h *elf.Header64, text *elf.Prog64)
		flags          string
	}{
		"is truncated":               {amd64, amd64, func(_ *elf.Header64, text *elf.Prog64) { text.Off = 1 << 30 }, ""},
		"not for amd64":              {amd64, amd64, func(h *elf.Header64, _ *elf.Prog64) { h.Machine = uint16(elf.EM_AARCH64) }, ""},
		"not for i386":               {i386, i386, func(h *elf.Header64, _ *elf.Prog64) { h.Machine = uint16(elf.EM_ARM) }, ""},
		"of amd64's class":           {amd64, i386, nil, ""},
		"of i386's class":            {i386, amd64, nil, ""},
		"larger in the file":         {amd64, amd64, func(_ *elf.Header64, text *elf.Prog64) { text.Memsz = 1 }, ""},
		"between 1 MB and 128 MB":    {amd64, amd64, func(_ *elf.Header64, text *elf.Prog64) { text.Memsz = 1 << 30 }, ""},
		"nothing to load":            {amd64, amd64, func(_ *elf.Header64, text *elf.Prog64) { text.Type = 0 }, ""},
		"has an unknown flag":        {amd64, amd64, nil, "-q"},
		"has an unknown word; known": {i386, i386, nil, "quiet"},
	} {
		t.Run(want, func(t *testing.T) {
			if got := bootTiny(t, test.loader, tinyKernel(t, test.kernel, test.change), "wd0a", test.flags); !strings.Contains(got, want) {
				t.Errorf("the loader prints %q; want %q", got, want)
			}
		})
	}
}

// A stripped kernel starts as well, without symbols.
func TestLoaderStripped(t *testing.T) {
	for i := range ports {
		kernel := tinyKernel(t, &ports[i], func(h *elf.Header64, _ *elf.Prog64) { h.Shnum = 0 })
		got := bootTiny(t, &ports[i], kernel, "wd0a", "")
		if !strings.Contains(got, "no symbols\n") || !strings.Contains(got, "done\n") {
			t.Errorf("%s: the kernel prints\n%s", ports[i].name, got)
		}
	}
}

func TestKernelPort(t *testing.T) {
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
	for i := range ports {
		if p, err := kernelPort(tinyKernel(t, &ports[i], nil)); err != nil || p != &ports[i] {
			t.Errorf("kernelPort = %v, %v; want %s", p, err, ports[i].name)
		}
	}
	for path, want := range map[string]string{
		dir + "/missing":                       "KERNEL= names",
		file("text", []byte("not a kernel")):   "not an ELF file",
		file("gz", []byte{0x1f, 0x8b, 8, 0}):   "gunzip",
		file("empty", nil):                     "not an ELF file",
		file("cut", []byte("\x7fELF\x02\x01")): "check kernel",
		self:                                   "not a kernel",
		tinyKernel(t, &ports[0], func(h *elf.Header64, _ *elf.Prog64) { h.Machine = uint16(elf.EM_AARCH64) }): "EM_AARCH64",
	} {
		if _, err := kernelPort(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("kernelPort(%s) = %v; want %q", path, err, want)
		}
	}
}

func FuzzReadPort(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte("\x7fELF\x01\x01\x01"))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := readPort(bytes.NewReader(b)); err == nil && len(b) < 52+32 {
			t.Errorf("%q is a kernel for %s", b, p.name)
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
		kernel: tinyKernel(t, &ports[0], nil), suite: "smoke", root: "wd0a", logs: t.TempDir(),
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
