/*
 * The structures on both sides of the loader: multiboot 1 (what QEMU's -kernel
 * gives, https://www.gnu.org/software/grub/manual/multiboot), ELF as the port
 * has it, and NetBSD's boot information (sys/arch/x86/include/bootinfo.h). The
 * last is the protocol of every release of amd64 and i386: all numbers are
 * little-endian, all addresses physical.
 */
#include <stdint.h>

#define MULTIBOOT_BOOTED	0x2BADB002

struct mb_info {
	uint32_t flags;
#define MB_HAS_MEMORY	0x01
#define MB_HAS_CMDLINE	0x04
#define MB_HAS_MODULES	0x08
#define MB_HAS_MEMMAP	0x40
	uint32_t mem_lower, mem_upper;		/* KB */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;	/* bytes */
};

struct mb_module {
	uint32_t start, end, string, reserved;
};

struct mb_memory {
	uint32_t size;				/* of what follows */
	uint64_t addr, len;
	uint32_t type;
} __attribute__((packed));

#ifdef PORT_I386
#define PORT			"i386"
#define ELF_CLASS		1
#define ELF_MACHINE		3
typedef uint32_t elf_word;
#else
#define PORT			"amd64"
#define ELF_CLASS		2
#define ELF_MACHINE		62
typedef uint64_t elf_word;
#endif

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	elf_word entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	uint32_t type;
#ifndef PORT_I386
	uint32_t flags;
#endif
	elf_word offset, vaddr, paddr, filesz, memsz;
#ifdef PORT_I386
	uint32_t flags;
#endif
	elf_word align;
};
#define PT_LOAD			1

struct elf_section {
	uint32_t name, type;
	elf_word flags, addr, offset, size;
	uint32_t link, info;
	elf_word addralign, entsize;
};
#define SHT_SYMTAB		2

struct bi_common {
	uint32_t len, type;
};
#define BI_BOOTPATH		0
#define BI_ROOTDEVICE		1
#define BI_CONSOLE		6
#define BI_SYMTAB		8
#define BI_MEMMAP		9

struct bi_bootpath {
	struct bi_common common;
	char path[80];
};

struct bi_rootdevice {
	struct bi_common common;
	char name[16];
};

struct bi_console {
	struct bi_common common;
	char name[16];
	uint32_t addr, speed;
};

struct bi_symtab {
	struct bi_common common;
	uint32_t nsym, ssym, esym;
};

struct bi_memory {
	uint64_t addr, size;
	uint32_t type;				/* as in BIOS and multiboot */
} __attribute__((packed));

#define BI_MEMORY_MAX		32
struct bi_memmap {
	struct bi_common common;
	uint32_t num;
	struct bi_memory entry[BI_MEMORY_MAX];
};

_Static_assert(sizeof(struct mb_memory) == 24, "multiboot memory entry");
_Static_assert(sizeof(struct elf_header) == 40 + 3 * sizeof(elf_word), "ELF header");
_Static_assert(sizeof(struct elf_segment) == 8 + 6 * sizeof(elf_word), "ELF program header");
_Static_assert(sizeof(struct elf_section) == 16 + 6 * sizeof(elf_word), "ELF section header");
_Static_assert(sizeof(struct bi_bootpath) == 88, "bootpath");
_Static_assert(sizeof(struct bi_rootdevice) == 24, "rootdevice");
_Static_assert(sizeof(struct bi_console) == 32, "console");
_Static_assert(sizeof(struct bi_symtab) == 20, "symtab");
_Static_assert(sizeof(struct bi_memory) == 20, "memory map entry");
