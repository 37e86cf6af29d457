package main

// Looking at the kernel file before a machine is made for it.

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
)

// kernelPort finds the kernel's port; it says early and clearly what the loader
// could only say late.
func kernelPort(path string) (*port, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open kernel: %w (KERNEL= names a NetBSD kernel for amd64 or i386)", err)
	}
	defer f.Close()
	p, err := readPort(f)
	if err != nil {
		return nil, fmt.Errorf("check kernel %s: %w", path, err)
	}
	return p, nil
}

// readPort reads headers only.
func readPort(r io.ReaderAt) (*port, error) {
	magic := make([]byte, 4)
	_, _ = r.ReadAt(magic, 0)
	if bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) {
		return nil, errors.New("it is compressed: gunzip it first")
	}
	if string(magic) != elf.ELFMAG {
		return nil, errors.New("it is not an ELF file")
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	port, err := portOf(f)
	if err != nil {
		return nil, err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Vaddr >= port.kernbase {
			return port, nil
		}
	}
	return nil, errors.New("it is a program, not a kernel: no part of it is linked above KERNBASE")
}
