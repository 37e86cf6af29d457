// Looking at the kernel file before a machine is made for it.

package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
)

// checkKernel says early and clearly what the loader could only say late.
func checkKernel(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open kernel: %w (KERNEL= names a NetBSD/amd64 kernel)", err)
	}
	defer f.Close()
	if err := isKernel(f); err != nil {
		return fmt.Errorf("check kernel %s: %w", path, err)
	}
	return nil
}

// isKernel reads headers only.
func isKernel(r io.ReaderAt) error {
	magic := make([]byte, 4)
	_, _ = r.ReadAt(magic, 0)
	if bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) {
		return errors.New("it is compressed: gunzip it first")
	}
	if string(magic) != elf.ELFMAG {
		return errors.New("it is not an ELF file")
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return err
	}
	if f.Class != elf.ELFCLASS64 || f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC {
		return fmt.Errorf("it is a %v %v %v, not an executable for amd64", f.Class, f.Machine, f.Type)
	}
	const kernbase = 0xffffffff80000000
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Vaddr >= kernbase {
			return nil
		}
	}
	return errors.New("it is a program, not a kernel: no part of it is linked above KERNBASE")
}
