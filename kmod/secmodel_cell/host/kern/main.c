/*
 * harness [CASE]: lists the cases, or runs one with the module loaded before
 * and unloaded after it.  Exits with 66 at what would have been a panic.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"
#include "host.h"

static const struct harness_case *const groups[] = {
	life_cases, panic_cases, hook_cases, bind_cases, linux_cases,
	race_cases, fuzz_cases, check_cases,
};

static u_int	failures;
static u_int	fail_at;	/* the request that fails; 0: none */
static u_int	requests;
__thread u_int	harness_names_behind;

void
harness_check(bool ok, const char *file, int line, const char *fmt, ...)
{
	char text[512], where[600];
	va_list ap;

	if (ok)
		return;
	(void)__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	va_start(ap, fmt);
	(void)host_format(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(where, sizeof(where), "%s:%d: %s\n", file, line, text);
	host_write(where);
}

void
harness_fail(u_int n)
{
	fail_at = n;
	requests = 0;
}

bool
harness_fails(void)
{
	return fail_at != 0 && __atomic_add_fetch(&requests, 1,
	    __ATOMIC_RELAXED) == fail_at;
}

u_int
harness_number(const char *name, u_int otherwise)
{
	const char *text = host_environment(name);

	return text != NULL ? (u_int)host_number(text) : otherwise;
}

static void
boot(void)
{
	harness_lock_init();
	harness_passive_init();
	kern_auth_init();
	kern_sysctl_init();
	harness_object_init();
	kern_process_init();
	root = kern_host_user(0);
	as(root);
}

static const struct harness_case *
find(const char *name)
{
	const struct harness_case *c;
	size_t i;

	for (i = 0; i < __arraycount(groups); i++)
		for (c = groups[i]; c->name != NULL; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

/* A line for each: one, threads or panics, the name, the reason. */
static void
list(void)
{
	const struct harness_case *c;
	char line[256];
	size_t i;

	for (i = 0; i < __arraycount(groups); i++)
		for (c = groups[i]; c->name != NULL; c++) {
			snprintf(line, sizeof(line), "%s %s %s\n",
			    c->panics != NULL ? "panics" :
			    c->threads ? "threads" : "one", c->name,
			    c->panics != NULL ? c->panics : "");
			host_write(line);
		}
}

/* What a case leaves behind is a fault of the module's, or of the case. */
static void
run(const struct harness_case *c)
{
	u_int memory, procs;
	int error;

	boot();
	memory = harness_memory();
	procs = kern_nprocs();
	error = load();
	CHECK(error == 0, "load: %d", error);
	c->run();
	CHECK(curlwp == root, "the case ends as another process");
	error = unload();
	CHECK(error == 0, "unload: %d", error);
	CHECK(kern_nprocs() == procs, "%u processes, %u before",
	    kern_nprocs(), procs);
	CHECK(harness_memory() == memory, "%u pieces of memory, %u before",
	    harness_memory(), memory);
	CHECK(harness_roots_free(), "a root's vnode is still held");
}

int
main(int argc, char **argv)
{
	const struct harness_case *c;

	if (argc < 2) {
		list();
		return 0;
	}
	if ((c = find(argv[1])) == NULL) {
		host_write("no such case\n");
		return 2;
	}
	run(c);
	host_exit(failures == 0 ? 0 : HARNESS_FAILED);
}
