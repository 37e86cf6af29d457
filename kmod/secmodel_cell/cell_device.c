/*
 * Devices that a cell can open: the ordinary ones, which every cell can, and
 * those that its policy lists.  Type, major and minor
 * number tell, since null and mem share a major.  The majors differ between
 * ports and are looked up by the driver's name when the module is loaded.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/conf.h>
#include <sys/systm.h>
#include <sys/vnode.h>

#include <miscfs/specfs/specdev.h>

#include "cell_var.h"

#define	CELL_EVERY_MINOR	-1

/* The driver of terminals' slaves. */
#define	CELL_SLAVES		"pts"

/*
 * ctty: tty.  ptm: ptmx and ptm, whose terminals are pts (the kernel opens
 * their other ends by itself).  filedesc: fd/0 and on, stdin, stdout and
 * stderr, which are the caller's own descriptors.
 */
static struct {
	const char	*driver;
	int		minor;
	devmajor_t	major;
} cell_ordinary[] = {
	{ "mem",	DEV_NULL,		NODEVMAJOR },
	{ "mem",	DEV_FULL,		NODEVMAJOR },
	{ "mem",	DEV_ZERO,		NODEVMAJOR },
	{ "rnd",	0,			NODEVMAJOR },	/* random */
	{ "rnd",	1,			NODEVMAJOR },	/* urandom */
	{ "ctty",	0,			NODEVMAJOR },
	{ "ptm",	CELL_EVERY_MINOR,	NODEVMAJOR },
	{ CELL_SLAVES,	CELL_EVERY_MINOR,	NODEVMAJOR },
	{ "filedesc",	CELL_EVERY_MINOR,	NODEVMAJOR },
};

/* A driver that this kernel lacks keeps NODEVMAJOR, which no node has. */
void
cell_device_init(void)
{
	char name[16];
	const char *have;
	devmajor_t major;
	size_t i;

	for (major = 0; major < 1024; major++) {
		have = cdevsw_getname(major);
		if (have == NULL)
			continue;
		strlcpy(name, have, sizeof(name));
		for (i = 0; i < __arraycount(cell_ordinary); i++)
			if (strcmp(name, cell_ordinary[i].driver) == 0)
				cell_ordinary[i].major = major;
	}
}

/* The driver of an ordinary device, NULL for any other device. */
static const char *
cell_ordinary_driver(enum vtype type, dev_t dev)
{
	size_t i;

	if (type != VCHR || dev == NODEV)
		return NULL;
	for (i = 0; i < __arraycount(cell_ordinary); i++)
		if (cell_ordinary[i].major != NODEVMAJOR &&
		    cell_ordinary[i].major == major(dev) &&
		    (cell_ordinary[i].minor == CELL_EVERY_MINOR ||
		    cell_ordinary[i].minor == minor(dev)))
			return cell_ordinary[i].driver;
	return NULL;
}

bool
cell_device_ordinary(enum vtype type, dev_t dev)
{

	return cell_ordinary_driver(type, dev) != NULL;
}

/*
 * Whether a node is an ordinary device of the cell's own.  A ptyfs shows only
 * the terminals that were made through it.  A node of such a number elsewhere,
 * as an image can bring one along, is the terminal of whoever has it: the
 * host's, or another cell's.
 */
bool
cell_device_safe(const struct vnode *vp)
{
	const char *driver = cell_ordinary_driver(vp->v_type, vp->v_rdev);

	if (driver == NULL)
		return false;
	return strcmp(driver, CELL_SLAVES) != 0 || vp->v_tag == VT_PTYFS;
}

/* Whether the cell's policy lists the device.  Locks: any. */
bool
cell_device_listed(const struct cell *c, enum vtype type, dev_t dev)
{
	const struct cell_device *cd = c->c_policy.cp_devices;
	const unsigned want = type == VCHR ? CELL_DEVICE_CHARACTER :
	    CELL_DEVICE_BLOCK;
	unsigned i;

	if (dev == NODEV)
		return false;
	for (i = 0; i < c->c_policy.cp_ndevices; i++)
		if (cd[i].cd_type == want &&
		    cd[i].cd_major == (uint32_t)major(dev) &&
		    cd[i].cd_minor == (uint32_t)minor(dev))
			return true;
	return false;
}
