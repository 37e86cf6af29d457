/*
 * Boots a NetBSD kernel, for amd64 or (-DPORT_I386) for i386, that was given to
 * QEMU as -initrd:
 *
 *	gcc -m32 -Os -ffreestanding -fno-pie -fno-stack-protector -nostdlib \
 *	    -static -Wl,-T,loader.ld,--build-id=none,--no-warn-rwx-segments \
 *	    -o loader.elf start.S loader.c
 *	qemu-system-x86_64 -kernel loader.elf -initrd netbsd -append "root=wd0a"
 *
 * It does what NetBSD's boot(8) does with a kernel: copies its segments to
 * their physical addresses, puts the symbol table behind them, tells the
 * kernel about memory, console and root, and enters it in 32-bit mode. Kernels
 * of every release know that protocol; QEMU's own (multiboot, PVH) is known
 * to some of them only.
 *
 * Words of the command line: root=NAME (wd0a), -a -s -d -v -x -1 -2 as in
 * boot(8). Trouble is told on the serial line as "loader: ..." and then the
 * machine stops.
 */
#include "abi.h"

#define COM1		0x3f8
#define COM1_SPEED	115200
#define KERNBASE_MASK	0x0fffffffu	/* virtual to physical, as boot(8) does */
#define PAGE		4096u

extern char start[];			/* the loader's own begin: the kernel's limit */
void enter(uint32_t, uint32_t, uint32_t, void *, uint32_t, uint32_t, uint32_t);
void halt(void) __attribute__((noreturn));

static struct bi_bootpath bootpath = { { sizeof(bootpath), BI_BOOTPATH }, "netbsd" };
static struct bi_rootdevice rootdevice = { { sizeof(rootdevice), BI_ROOTDEVICE }, "wd0a" };
static struct bi_console console = { { sizeof(console), BI_CONSOLE }, "com", COM1, COM1_SPEED };
static struct bi_symtab symtab = { { sizeof(symtab), BI_SYMTAB }, 1, 0, 0 };
static struct bi_memmap memmap = { { 0, BI_MEMMAP }, 0, { { 0, 0, 0 } } };

/* A count, and a pointer to each record. */
static struct {
	uint32_t count;
	void *entry[5];
} bootinfo;

/* The flags of boot(8), from sys/reboot.h. */
static const struct {
	char letter;
	uint32_t howto;
} howto_flags[] = {
	{ 'a', 0x00000001 },		/* ask for the root device */
	{ 's', 0x00000002 },		/* single user */
	{ 'd', 0x00000040 },		/* enter the debugger */
	{ '1', 0x10000000 },		/* one CPU only */
	{ '2', 0x20000000 },		/* no ACPI */
	{ 'v', 0x00020000 },		/* verbose */
	{ 'x', 0x00080000 },		/* debug messages */
};

static void
put(const char *s)
{
	uint8_t status;

	for (; *s != '\0'; s++) {
		do
			__asm volatile("inb %1, %0" : "=a"(status) : "Nd"((uint16_t)(COM1 + 5)));
		while ((status & 0x20) == 0);
		__asm volatile("outb %0, %1" : : "a"(*s), "Nd"((uint16_t)COM1));
	}
}

static void __attribute__((noreturn))
fail(const char *why)
{
	put("loader: ");
	put(why);
	put("\r\n");
	halt();
}

/* gcc calls memcpy and memset also in freestanding programs. */
void *
memcpy(void *to, const void *from, uint32_t n)
{
	void *d = to;

	__asm volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *
memset(void *to, int c, uint32_t n)
{
	void *d = to;

	__asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return to;
}

static void *
pointer(uint32_t addr)
{
	return (void *)(uintptr_t)addr;
}

static uint32_t
page_up(uint32_t addr)
{
	return (addr + PAGE - 1) & ~(PAGE - 1);
}

/* The kernel file as QEMU left it in memory. */
static struct {
	const uint8_t *data;
	uint32_t size;
} file;

/* within: the file's bytes [offset, offset + size), or the end of it all. */
static const void *
within(uint64_t offset, uint64_t size)
{
	if (offset > file.size || size > file.size - offset)
		fail("the kernel file is truncated");
	return file.data + (uint32_t)offset;
}

/* clear_of_loader: the physical address, if n bytes there are free for the kernel. */
static uint32_t
clear_of_loader(uint32_t addr, uint64_t n)
{
	uint32_t limit = (uint32_t)(uintptr_t)start & ~(PAGE - 1);

	if (addr < 0x100000 || addr > limit || n > limit - addr)
		fail("the kernel does not fit between 1 MB and 128 MB");
	return addr;
}

/* load_segments: copies the kernel to its place, and returns where it ends. */
static uint32_t
load_segments(const struct elf_header *elf)
{
	const struct elf_segment *seg = within(elf->phoff, (uint64_t)elf->phnum * sizeof(*seg));
	uint32_t end = 0;
	int i;

	for (i = 0; i < elf->phnum; i++, seg++) {
		uint32_t addr;

		if (seg->type != PT_LOAD || seg->memsz == 0)
			continue;
		if (seg->filesz > seg->memsz)
			fail("a kernel segment is larger in the file than in memory");
		addr = clear_of_loader((uint32_t)seg->vaddr & KERNBASE_MASK, seg->memsz);
		memcpy(pointer(addr), within(seg->offset, seg->filesz), (uint32_t)seg->filesz);
		memset(pointer(addr + (uint32_t)seg->filesz), 0, (uint32_t)(seg->memsz - seg->filesz));
		if (addr + (uint32_t)seg->memsz > end)
			end = addr + (uint32_t)seg->memsz;
	}
	if (end == 0)
		fail("the kernel has nothing to load");
	return end;
}

/*
 * load_symbols: an ELF file of three sections at a page of its own: nothing,
 * the symbols, their names. Returns its end, or 0 if the kernel is stripped.
 */
static uint32_t
load_symbols(const struct elf_header *elf, uint32_t where)
{
	const struct elf_section *from = within(elf->shoff, (uint64_t)elf->shnum * sizeof(*from));
	const struct elf_section *found[2];
	struct elf_header *header = pointer(where);
	struct elf_section *to = pointer(where + sizeof(*header));
	uint32_t offset = sizeof(*header) + 3 * sizeof(*to);
	int i;

	for (i = 0; i < elf->shnum && from[i].type != SHT_SYMTAB; i++)
		continue;
	if (i == elf->shnum || from[i].link >= elf->shnum)
		return 0;
	found[0] = &from[i];
	found[1] = &from[from[i].link];

	clear_of_loader(where, offset + found[0]->size + found[1]->size + 2 * sizeof(uint64_t));
	*header = *elf;
	header->phoff = header->phnum = header->phentsize = header->shstrndx = 0;
	header->shoff = sizeof(*header);
	header->shnum = 3;
	memset(&to[0], 0, sizeof(to[0]));
	for (i = 0; i < 2; i++) {
		uint32_t size = (uint32_t)found[i]->size;

		to[i + 1] = *found[i];
		to[i + 1].name = 0;
		to[i + 1].link = i == 0 ? 2 : 0;
		to[i + 1].offset = offset;
		memcpy(pointer(where + offset), within(found[i]->offset, found[i]->size), size);
		offset = (offset + size + 7) & ~7u;
	}
	symtab.ssym = where;
	symtab.esym = where + offset;
	return where + offset;
}

static void
load_memory_map(const struct mb_info *mb)
{
	uint32_t at = mb->mmap_addr, end = mb->mmap_addr + mb->mmap_length;

	while (at + sizeof(struct mb_memory) <= end) {
		const struct mb_memory *m = pointer(at);
		struct bi_memory *e = &memmap.entry[memmap.num];

		if (memmap.num == BI_MEMORY_MAX)
			fail("the memory map has too many entries");
		e->addr = m->addr;
		e->size = m->len;
		e->type = m->type;
		memmap.num++;
		at += m->size + sizeof(m->size);
	}
	memmap.common.len = sizeof(memmap) - (BI_MEMORY_MAX - memmap.num) * sizeof(memmap.entry[0]);
}

/* flags: the howto bits of one word such as -vx. */
static uint32_t
flags(const char *s)
{
	uint32_t howto = 0, i;

	for (; *s != '\0' && *s != ' '; s++) {
		for (i = 0; i < sizeof(howto_flags) / sizeof(howto_flags[0]); i++)
			if (howto_flags[i].letter == *s)
				break;
		if (i == sizeof(howto_flags) / sizeof(howto_flags[0]))
			fail("the command line has an unknown flag; known: a s d 1 2 v x");
		howto |= howto_flags[i].howto;
	}
	return howto;
}

/* set_root: the kernel's name of the root device, up to a blank. */
static void
set_root(const char *s)
{
	uint32_t n = 0;

	while (s[n] != '\0' && s[n] != ' ')
		n++;
	if (n >= sizeof(rootdevice.name))
		fail("the root device's name is too long");
	memset(rootdevice.name, 0, sizeof(rootdevice.name));
	memcpy(rootdevice.name, s, n);
}

/* command_line: what the words say; the first is the loader's own name. */
static uint32_t
command_line(const char *s)
{
	uint32_t howto = 0;

	for (;;) {
		while (*s != '\0' && *s != ' ')
			s++;
		while (*s == ' ')
			s++;
		if (*s == '\0')
			return howto;
		if (*s == '-')
			howto |= flags(s + 1);
		else if (s[0] == 'r' && s[1] == 'o' && s[2] == 'o' && s[3] == 't' && s[4] == '=')
			set_root(s + 5);
		else
			fail("the command line has an unknown word; known: root=NAME and flags");
	}
}

static const struct elf_header *
kernel(const struct mb_info *mb)
{
	const struct mb_module *mod = pointer(mb->mods_addr);
	const struct elf_header *elf;

	if ((mb->flags & MB_HAS_MODULES) == 0 || mb->mods_count != 1)
		fail("give QEMU the kernel as -initrd");
	file.data = pointer(mod->start);
	file.size = mod->end - mod->start;
	elf = within(0, sizeof(*elf));
	if (*(const uint32_t *)elf->ident != 0x464c457f || elf->ident[4] != ELF_CLASS || elf->ident[5] != 1)
		fail("the kernel is not an ELF file of " PORT "'s class (is it compressed?)");
	if (elf->machine != ELF_MACHINE || elf->phentsize != sizeof(struct elf_segment))
		fail("the kernel is not for " PORT);
	return elf;
}

static void
add(void *record)
{
	bootinfo.entry[bootinfo.count++] = record;
}

void
load(uint32_t magic, const struct mb_info *mb)
{
	const struct elf_header *elf;
	uint32_t howto, end, esym;

	if (magic != MULTIBOOT_BOOTED || (mb->flags & MB_HAS_MEMMAP) == 0)
		fail("not started by multiboot with a memory map");
	howto = mb->flags & MB_HAS_CMDLINE ? command_line(pointer(mb->cmdline)) : 0;
	elf = kernel(mb);
	end = load_segments(elf);
	esym = load_symbols(elf, page_up(end));
	load_memory_map(mb);

	add(&bootpath);
	add(&rootdevice);
	add(&console);
	add(&memmap);
	if (esym != 0)
		add(&symtab);
	enter((uint32_t)elf->entry & KERNBASE_MASK, howto, 0, &bootinfo, esym, mb->mem_upper, mb->mem_lower);
}
