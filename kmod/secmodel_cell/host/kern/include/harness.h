/*
 * What the cases ask of the stand-ins, beyond the kernel's own interfaces.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_HARNESS_H
#define KERN_HARNESS_H

#include "kern.h"

#define	HARNESS_PANIC	66	/* exit status */
#define	HARNESS_FAILED	1
#define	HARNESS_FASTER	20	/* a second of the kernel's lasts 50 ms */
#define	HARNESS_JUNK	0xa5	/* in memory that nobody has written */

void	harness_lock_init(void);
void	harness_passive_init(void);
void	harness_nosleep(kmutex_t *, const char *);
void	harness_softint(bool);	/* the thread plays a soft interrupt */
u_int	harness_held(void);	/* locks and sections of this thread */
/*
 * The nth request from now on fails, of those that can: for memory that is not
 * waited for, and for what a module needs to load.  0: none.
 */
void	harness_fail(u_int);
bool	harness_fails(void);
extern void (*harness_no_node)(void);	/* called when a node can't be made */
extern void (*harness_half_made)(void);	/* called within fork(2) */
u_int	harness_memory(void);	/* pieces that are in use */
void	harness_nobody_waits(const char *, const kmutex_t *);
const kmutex_t *harness_mutex_in(const char *, size_t);


/* Directories that a cell can have as its root: the paths "/0" and on. */
#define	HARNESS_ROOTS	8
extern struct vnode harness_roots[HARNESS_ROOTS];
bool	harness_roots_free(void);
void	harness_object_init(void);
dev_t	harness_device(const char *, int);

u_int	harness_number(const char *, u_int);	/* of the environment */
extern __thread u_int harness_names_behind;	/* a sysctl request's node */

/* An expectation of a case; the case goes on, and fails. */
void	harness_check(bool, const char *, int, const char *, ...)
	    __printflike(4, 5);
#define	CHECK(e, ...)	harness_check(e, __FILE__, __LINE__, __VA_ARGS__)

/* The error that a call gives. */
#define	EXPECT(call, want) do { \
	int got_ = (call); \
	CHECK(got_ == (want), "%s gave %d, not %s", #call, got_, #want); \
} while (0)

/* A case is a function; it begins with the module loaded. */
struct harness_case {
	const char	*name;
	void		(*run)(void);
	bool		threads;	/* worth the thread sanitizer's time */
	const char	*panics;	/* so it must end, for this reason */
};
extern const struct harness_case life_cases[], panic_cases[], hook_cases[],
    bind_cases[], linux_cases[], race_cases[], fuzz_cases[], check_cases[];

#endif
