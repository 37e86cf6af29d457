/*
 * What the loader's test boots instead of NetBSD: prints its arguments and
 * boot information to the serial line.
 */
#include <stdint.h>

/* Sizes of ELF's header and section header, and where a section's offset is. */
#ifdef PORT_I386
enum { HEADER = 52, SECTION = 40, OFFSET = 16 };
#else
enum { HEADER = 64, SECTION = 64, OFFSET = 24 };
#endif

static char bss[4096];
static volatile uint32_t data = 42;

static void
put(const char *s)
{
	for (; *s != '\0'; s++)
		__asm volatile("outb %0, %1" : : "a"(*s), "Nd"((uint16_t)0x3f8));
}

static void
hex(uint32_t v)
{
	char digit[2] = { 0, 0 };
	int shift;

	put(" ");
	for (shift = 28; shift >= 0; shift -= 4) {
		digit[0] = "0123456789abcdef"[v >> shift & 15];
		put(digit);
	}
}

static void
line(const char *name, const char *text)
{
	put(name);
	put(" ");
	put(text);
	put("\n");
}

static void
record(const uint32_t *r, uint32_t esym)
{
	const char *elf;
	uint32_t i;

	switch (r[1]) {
	case 0:
		line("path", (const char *)&r[2]);
		break;
	case 1:
		line("root", (const char *)&r[2]);
		break;
	case 6:
		put("console ");
		put((const char *)&r[2]);
		hex(r[6]);
		hex(r[7]);
		put("\n");
		break;
	case 8:
		/* The ELF header; the section headers, of which the third has the names. */
		elf = (const char *)r[3];
		put("symbols");
		hex(r[2]);
		line("", elf + *(const uint32_t *)(elf + HEADER + 2 * SECTION + OFFSET) + 1);
		if (esym == r[4])
			put("esym is the symbols' end\n");
		break;
	case 9:
		for (i = 0; i < r[2]; i++) {
			put("memory");
			hex(r[3 + 5 * i]);
			hex(r[5 + 5 * i]);
			hex(r[7 + 5 * i]);
			put("\n");
		}
		break;
	}
}

void
start(uint32_t howto, uint32_t bootdev, const uint32_t *info, uint32_t esym, uint32_t extmem, uint32_t basemem)
{
	uint32_t i, sum = bootdev;

	put("howto");
	hex(howto);
	put("\n");
	for (i = 0; i < sizeof(bss); i++)
		sum |= bss[i];
	if (sum == 0 && data == 42)
		put("bss is zero\n");
	for (i = 0; i < info[0]; i++)
		record((const uint32_t *)info[i + 1], esym);
	if (esym == 0)
		put("no symbols\n");
	if (extmem != 0 && basemem != 0)
		put("done\n");
	for (;;)
		__asm volatile("hlt");
}
