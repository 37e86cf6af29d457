package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tinyKernel is a kernel that prints what the loader gave it, as an ELF file
// like NetBSD's: linked above KERNBASE, with bss and a symbol table. change
// sees the headers as a 64-bit port has them.
func tinyKernel(t *testing.T, p *port, change func(h *elf.Header64, text *elf.Prog64)) string {
	t.Helper()
	dir := t.TempDir()
	code, entry := tinyCode(t, p, dir)
	const physical, bss = 0x100000, 0x10000
	wide := p.class == elf.ELFCLASS64
	headerSize, progSize, symSize, sectionSize := 52, 32, 16, 40
	if wide {
		headerSize, progSize, symSize, sectionSize = 64, 56, 24, 64
	}
	names := []byte("\x00netbsd\x00")
	codeAt := uint64(headerSize + progSize)
	symAt := codeAt + uint64(len(code))
	strAt := symAt + 2*uint64(symSize)
	h := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(p.class), 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(p.machine), Version: 1,
		Entry: p.kernbase + entry, Phoff: uint64(headerSize), Shoff: strAt + uint64(len(names)), Ehsize: uint16(headerSize),
		Phentsize: uint16(progSize), Phnum: 1, Shentsize: uint16(sectionSize), Shnum: 3,
	}
	text := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: 7, Off: codeAt, Vaddr: p.kernbase + physical,
		Filesz: uint64(len(code)), Memsz: uint64(len(code)) + bss,
	}
	if change != nil {
		change(&h, &text)
	}
	symbol := elf.Sym64{Name: 1, Value: p.kernbase + physical}
	sections := []elf.Section64{
		{},
		{Type: uint32(elf.SHT_SYMTAB), Off: symAt, Size: 2 * uint64(symSize), Link: 2, Addralign: 4, Entsize: uint64(symSize)},
		{Type: uint32(elf.SHT_STRTAB), Off: strAt, Size: uint64(len(names)), Addralign: 1},
	}
	parts := []any{h, text, code, elf.Sym64{}, symbol, names, sections}
	if !wide {
		parts = []any{header32(h), prog32(text), code, elf.Sym32{}, elf.Sym32{Name: 1, Value: uint32(symbol.Value)}, names, sections32(sections)}
	}
	var b bytes.Buffer
	for _, part := range parts {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "kernel")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyCode compiles testdata/tinykernel.c; entry is a physical address.
func tinyCode(t *testing.T, p *port, dir string) (code []byte, entry uint64) {
	t.Helper()
	flat := filepath.Join(dir, "flat")
	for _, args := range [][]string{
		append([]string{
			"gcc", "-m32", "-Os", "-ffreestanding", "-fno-pie", "-fno-stack-protector", "-nostdlib", "-static",
			"-Wl,-N,-Ttext=0x100000,-e,start,--build-id=none", "-o", flat + ".elf", "testdata/tinykernel.c",
		}, p.loader...),
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
	return code, f.Entry
}

func header32(h elf.Header64) elf.Header32 {
	return elf.Header32{
		Ident: h.Ident, Type: h.Type, Machine: h.Machine, Version: h.Version,
		Entry: uint32(h.Entry), Phoff: uint32(h.Phoff), Shoff: uint32(h.Shoff), Ehsize: h.Ehsize,
		Phentsize: h.Phentsize, Phnum: h.Phnum, Shentsize: h.Shentsize, Shnum: h.Shnum,
	}
}

func prog32(p elf.Prog64) elf.Prog32 {
	return elf.Prog32{
		Type: p.Type, Flags: p.Flags, Off: uint32(p.Off), Vaddr: uint32(p.Vaddr),
		Filesz: uint32(p.Filesz), Memsz: uint32(p.Memsz),
	}
}

func sections32(list []elf.Section64) []elf.Section32 {
	var out []elf.Section32
	for _, s := range list {
		out = append(out, elf.Section32{
			Type: s.Type, Off: uint32(s.Off), Size: uint32(s.Size), Link: s.Link,
			Addralign: uint32(s.Addralign), Entsize: uint32(s.Entsize),
		})
	}
	return out
}
