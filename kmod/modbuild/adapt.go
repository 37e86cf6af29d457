package main

// What the host's assembler does that a NetBSD kernel's linker may not know.

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// adapt rewrites calls through a procedure linkage table, of which a module
// has none, as direct ones: assemblers mark every call so since 2018, and
// kernels before that refuse the mark. It also refuses what no kernel loads.
func adapt(image []byte) error {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	if f.Class != elf.ELFCLASS64 || f.Machine != elf.EM_X86_64 || f.Type != elf.ET_REL {
		return fmt.Errorf("it is no relocatable amd64 object: %s %s %s", f.Class, f.Machine, f.Type)
	}
	var data uint64
	for _, s := range f.Sections {
		if s.Type == elf.SHT_RELA {
			adaptRelocations(image[s.Offset : s.Offset+s.Size])
		}
		if s.Flags&elf.SHF_WRITE != 0 {
			data += s.Size
		}
	}
	if data == 0 {
		return fmt.Errorf("it has no data: a kernel refuses such a module")
	}
	return nil
}

const relaSize = 24 // Elf64_Rela: offset, info, addend

func adaptRelocations(table []byte) {
	for ; len(table) >= relaSize; table = table[relaSize:] {
		info := table[8:16]
		v := binary.LittleEndian.Uint64(info)
		if elf.R_X86_64(v&0xffffffff) == elf.R_X86_64_PLT32 {
			binary.LittleEndian.PutUint64(info, v&^0xffffffff|uint64(elf.R_X86_64_PC32))
		}
	}
}
