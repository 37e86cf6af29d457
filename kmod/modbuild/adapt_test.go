package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// compile gives the object of a C source, as the module's files are compiled.
func compile(t *testing.T, p *port, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o")
	if err := os.WriteFile(in, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	args := slices.Concat(flags, p.flags, []string{"-c", in, "-o", out})
	if msg, err := exec.Command(p.tools+"gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v: %s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// relocations counts those of each type.
func relocations(t *testing.T, image []byte) map[uint32]int {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	n := map[uint32]int{}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA && s.Type != elf.SHT_REL {
			continue
		}
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		switch s.Type {
		case elf.SHT_RELA: // of 64 bits
			for ; len(data) > 0; data = data[24:] {
				n[uint32(f.ByteOrder.Uint64(data[8:]))]++
			}
		case elf.SHT_REL: // of 32 bits
			for ; len(data) > 0; data = data[8:] {
				n[uint32(data[4])]++
			}
		}
	}
	return n
}

// x86 are the ports whose objects every amd64 compiler makes, without a
// library or a header for them.
var x86 = []string{"amd64", "i386"}

func TestAdapt(t *testing.T) {
	const calls = "int other(int); int state; int f(int x) { return other(x) + state++; } int g(int x) { return other(x + 1) + 1; }"
	for _, name := range x86 {
		p, err := portNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		image := compile(t, p, calls)
		before := relocations(t, image)
		if err := adapt(p, image); err != nil {
			t.Fatal(err)
		}
		want := map[uint32]int{}
		for from, n := range before {
			if to, ok := p.direct[from]; ok {
				from = to
			}
			want[from] += n
		}
		if after := relocations(t, image); !maps.Equal(after, want) {
			t.Errorf("%s: relocations %v became %v, want %v", name, before, after, want)
		}
		if name == "amd64" && maps.Equal(before, want) {
			t.Errorf("%s: this assembler marks no call, so nothing was tested: %v", name, before)
		}
	}
}

// A big-endian table, as sparc64's assembler makes it: a call, and a word whose
// type has a number above it.
func TestAdaptBigEndian(t *testing.T) {
	p, err := portNamed("sparc64")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[uint64]uint64{
		7<<32 | uint64(elf.R_SPARC_WPLT30):            7<<32 | uint64(elf.R_SPARC_WDISP30),
		7<<32 | 0x1234<<8 | uint64(elf.R_SPARC_OLO10): 7<<32 | 0x1234<<8 | uint64(elf.R_SPARC_OLO10),
		uint64(elf.R_SPARC_GOT22):                     0,
	} {
		table := make([]byte, 24)
		binary.BigEndian.PutUint64(table[8:], in)
		f := &elf.File{FileHeader: elf.FileHeader{Class: p.class, Machine: p.machine, ByteOrder: binary.BigEndian}}
		err := p.adaptRelocations(f, &elf.Section{SectionHeader: elf.SectionHeader{Type: elf.SHT_RELA}}, table)
		if got := binary.BigEndian.Uint64(table[8:]); (err == nil) != (want != 0) || err == nil && got != want {
			t.Errorf("info %#x became %#x, %v; want %#x", in, got, err, want)
		}
	}
}

func TestAdaptRefuses(t *testing.T) {
	for _, name := range x86 {
		p, err := portNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, want string
			image      []byte
		}{
			{"no data", "no data", compile(t, p, "int f(int x) { return x; }")},
			{"no object", "parse", []byte("#!/bin/sh")},
			{"cut short", "parse", compile(t, p, "int state;")[:100]},
			{"another port", "no relocatable " + name, compile(t, other(p), "int state;")},
			{"global offset table", "relocations of type", compile(t, p, `int state; __asm__(".long there@GOT");`)},
		} {
			if err := adapt(p, tt.image); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %s: %v, want %q", name, tt.name, err, tt.want)
			}
		}
	}
}

// other is the other port of the two that TestAdaptRefuses has objects of.
func other(p *port) *port { return &ports[1-slices.Index(x86, p.name)] }

func TestBuildNeedsSources(t *testing.T) {
	for _, sys := range []string{"", t.TempDir()} {
		err := build("amd64", sys, "../secmodel_cell", filepath.Join(t.TempDir(), "m"))
		if err == nil || !strings.Contains(err.Error(), "NETBSD_SYS") {
			t.Errorf("build with sources %q: %v, want the way out", sys, err)
		}
	}
}

func TestBuildNamesPorts(t *testing.T) {
	err := build("vax", t.TempDir(), "../secmodel_cell", filepath.Join(t.TempDir(), "m"))
	if err == nil || !strings.Contains(err.Error(), "amd64, i386, aarch64, arm, sparc64") {
		t.Errorf("build for a port that is not there: %v, want the ports", err)
	}
}

func TestBuildNamesTheCompilersPackage(t *testing.T) {
	for tools, want := range map[string]string{"": "install gcc)", "aarch64-linux-gnu-": "install gcc-aarch64-linux-gnu)"} {
		b := &builder{port: &port{tools: tools}, dir: t.TempDir()}
		if err := b.run("no-such-compiler"); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("run without a compiler: %v, want %q", err, want)
		}
	}
}
