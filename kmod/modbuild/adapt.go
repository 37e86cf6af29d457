package main

// What the host's assembler does that a NetBSD kernel's linker may not know.

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
)

// adapt rewrites calls through a procedure linkage table, of which a module
// has none, as direct ones: assemblers mark every call so since 2018, and
// kernels before that refuse the mark. It also refuses what no kernel loads.
func adapt(p *port, image []byte) error {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	if f.Class != p.class || f.Machine != p.machine || f.Type != elf.ET_REL {
		return fmt.Errorf("it is no relocatable %s object: %s %s %s", p.name, f.Class, f.Machine, f.Type)
	}
	var data uint64
	for _, s := range f.Sections {
		if s.Type == elf.SHT_RELA || s.Type == elf.SHT_REL {
			if err := p.adaptRelocations(f, s, image[s.Offset:s.Offset+s.FileSize]); err != nil {
				return fmt.Errorf("section %s: %w", s.Name, err)
			}
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

// adaptRelocations goes over one table, whose entries are Elf32_Rel or Rela,
// or Elf64_Rela: offset, info, addend. info has the type in its low bits; on
// sparc64 in the lowest eight, above which OLO10 has a number.
func (p *port) adaptRelocations(f *elf.File, s *elf.Section, table []byte) error {
	word, mask := 4, uint64(0xff)
	if f.Class == elf.ELFCLASS64 {
		word, mask = 8, 0xffffffff
	}
	if f.Machine == elf.EM_SPARCV9 {
		mask = 0xff
	}
	size := 2 * word
	if s.Type == elf.SHT_RELA {
		size = 3 * word
	}
	for ; len(table) >= size; table = table[size:] {
		info := table[word : 2*word]
		v := getWord(f.ByteOrder, info)
		t := uint32(v & mask)
		if direct, ok := p.direct[t]; ok {
			putWord(f.ByteOrder, info, v&^mask|uint64(direct))
			t = direct
		}
		if !slices.Contains(p.relocations, t) {
			return fmt.Errorf("no %s kernel applies relocations of type %d", p.name, t)
		}
	}
	return nil
}

// getWord and putWord are for words of 4 and 8 bytes.
func getWord(order binary.ByteOrder, b []byte) uint64 {
	if len(b) == 4 {
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

func putWord(order binary.ByteOrder, b []byte, v uint64) {
	if len(b) == 4 {
		order.PutUint32(b, uint32(v))
		return
	}
	order.PutUint64(b, v)
}
