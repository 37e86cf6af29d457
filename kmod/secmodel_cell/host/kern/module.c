/*
 * The list of the kernel's modules, in which there is one at most, and those who
 * are told of what comes and goes.  The threads of the cases leave it to one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "kern.h"
#include "harness.h"

struct module { const char *m_name; int m_refs; };

static struct module	module;
static void		(*on_load)(struct module *), (*on_unload)(struct module *);

const char *
module_name(struct module *mod)
{
	return mod->m_name;
}

void
module_hold(struct module *mod)
{
	mod->m_refs++;
}

void
module_rele(struct module *mod)
{
	KASSERT(mod->m_refs > 0);
	mod->m_refs--;
}

void *
module_register_callbacks(void (*load)(struct module *),
    void (*unload)(struct module *))
{
	KASSERT(on_load == NULL);
	on_load = load;
	on_unload = unload;
	if (module.m_name != NULL)
		(*on_load)(&module);
	return &on_load;
}

void
module_unregister_callbacks(void *opaque)
{
	KASSERT(opaque == &on_load && on_load != NULL);
	if (module.m_name != NULL)
		(*on_unload)(&module);
	on_load = on_unload = NULL;
}

void
kern_module_load(const char *name)
{
	KASSERT(module.m_name == NULL);
	module = (struct module){ name, 0 };
	if (on_load != NULL)
		(*on_load)(&module);
}

int
kern_module_unload(void)
{
	if (module.m_refs > 0)
		return EBUSY;
	if (on_unload != NULL)
		(*on_unload)(&module);
	module.m_name = NULL;
	return 0;
}
