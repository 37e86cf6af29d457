package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compile gives the object of a C source, as the module's files are compiled.
func compile(t *testing.T, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o")
	if err := os.WriteFile(in, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command("gcc", append(flags[:len(flags):len(flags)], "-c", in, "-o", out)...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v: %s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// relocations counts those of each type.
func relocations(t *testing.T, image []byte) map[elf.R_X86_64]int {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	n := map[elf.R_X86_64]int{}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA {
			continue
		}
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		for ; len(data) >= relaSize; data = data[relaSize:] {
			n[elf.R_X86_64(binary.LittleEndian.Uint64(data[8:])&0xffffffff)]++
		}
	}
	return n
}

func TestAdapt(t *testing.T) {
	image := compile(t, "int other(int); int state; int f(int x) { return other(x) + state++; } int g(int x) { return other(x + 1) + 1; }")
	before := relocations(t, image)
	if before[elf.R_X86_64_PLT32] == 0 {
		t.Fatalf("this assembler marks no call, so nothing is tested: %v", before)
	}
	if err := adapt(image); err != nil {
		t.Fatal(err)
	}
	after := relocations(t, image)
	if after[elf.R_X86_64_PLT32] != 0 || after[elf.R_X86_64_PC32] != before[elf.R_X86_64_PC32]+before[elf.R_X86_64_PLT32] {
		t.Errorf("relocations %v became %v", before, after)
	}
}

func TestAdaptRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		image      []byte
	}{
		{"no data", "no data", compile(t, "int f(int x) { return x; }")},
		{"no object", "parse", []byte("#!/bin/sh")},
		{"cut short", "parse", compile(t, "int state;")[:100]},
	} {
		if err := adapt(tt.image); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestBuildNeedsSources(t *testing.T) {
	for _, sys := range []string{"", t.TempDir()} {
		err := build("gcc", sys, "../secmodel_cell", filepath.Join(t.TempDir(), "m"))
		if err == nil || !strings.Contains(err.Error(), "NETBSD_SYS") {
			t.Errorf("build with sources %q: %v, want the way out", sys, err)
		}
	}
}
