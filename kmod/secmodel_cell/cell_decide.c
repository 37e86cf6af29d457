/*
 * The answer to a request, and what is kept of a denial: an exact count, and
 * now and then a line in the log.
 *
 * What nobody asked for is not counted: processes, sockets and kernel pointers
 * that are left out of a list, and what the kernel asks before it looks whether a
 * limit is reached at all: with each fork(2), each exec(2) after a change of user,
 * each block of a file system with quotas.
 *
 * A listener may hold any lock, under which nothing can be printed.  So a line
 * waits in a small ring for a soft interrupt.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/intr.h>
#include <sys/proc.h>
#include <sys/syslog.h>
#include <sys/systm.h>
#include <sys/time.h>

#include "cell_var.h"

/* A cell writes a line every so many seconds at most. */
#define	CELL_LOG_SECONDS	10

struct cell_line {
	uint32_t	cl_id;
	char		cl_name[CELL_NAME_MAX + 1];
	const struct cell_row *cl_row;
	pid_t		cl_pid;
	uid_t		cl_uid;
	uint64_t	cl_missed;
};

static void		*cell_softint;
static struct cell_line	cell_lines[8];	/* cell_spin */
static unsigned		cell_nlines;	/* cell_spin */

static bool
cell_line_get(struct cell_line *cl)
{
	bool got;

	mutex_spin_enter(&cell_spin);
	got = cell_nlines > 0;
	if (got)
		*cl = cell_lines[--cell_nlines];
	mutex_spin_exit(&cell_spin);
	return got;
}

static void
cell_print_lines(void *arg)
{
	struct cell_line cl;

	while (cell_line_get(&cl))
		log(LOG_NOTICE, "secmodel_cell: cell %u (%s): denied %s (class "
		    "%u) to pid %d, euid %u; %llu more since the last line\n",
		    cl.cl_id, cl.cl_name, cl.cl_row->cr_name,
		    cl.cl_row->cr_class, cl.cl_pid, cl.cl_uid,
		    (unsigned long long)cl.cl_missed);
}

int
cell_decide_init(void)
{

	cell_nlines = 0;
	cell_softint = softint_establish(SOFTINT_CLOCK | SOFTINT_MPSAFE,
	    cell_print_lines, NULL);
	return cell_softint == NULL ? ENOMEM : 0;
}

/* When nobody is denied anything any more.  Waits for a line that is printed. */
void
cell_decide_fini(void)
{

	softint_disestablish(cell_softint);
}

/* Puts a line into the ring, if its cell has been silent for long enough. */
static bool
cell_line_put(struct cell *c, const struct cell_row *row, uid_t uid)
{
	struct cell_line *cl;

	KASSERT(mutex_owned(&cell_spin));
	if ((c->c_log_time != 0 &&
	    time_uptime - c->c_log_time < CELL_LOG_SECONDS) ||
	    cell_nlines == __arraycount(cell_lines)) {
		c->c_log_missed++;
		return false;
	}
	cl = &cell_lines[cell_nlines++];
	cl->cl_id = c->c_id;
	memcpy(cl->cl_name, c->c_create.cc_name, sizeof(cl->cl_name));
	cl->cl_row = row;
	cl->cl_pid = curproc->p_pid;
	cl->cl_uid = uid;
	cl->cl_missed = c->c_log_missed;
	c->c_log_missed = 0;
	c->c_log_time = time_uptime;
	return true;
}

static void
cell_denied(struct cell *c, const struct cell_row *row, kauth_cred_t cred)
{
	bool say;

	switch (row->cr_class) {
	case CELL_CLASS_PROCESS_CANSEE_OTHER_CELL:
	case CELL_CLASS_PROCESS_CANSEE_KPTR:
	case CELL_CLASS_NETWORK_SOCKET_CANSEE_OTHER_CELL:
	case CELL_CLASS_PROCESS_RLIMIT_BYPASS:
	case CELL_CLASS_SYSTEM_FS_QUOTA_NOLIMIT:
		return;
	default:
		break;
	}
	mutex_spin_enter(&cell_spin);
	c->c_denials[row->cr_scope]++;
	c->c_last_ns = cell_uptime();
	c->c_last_class = row->cr_class;
	c->c_last_pid = curproc->p_pid;
	c->c_last_uid = kauth_cred_geteuid(cred);
	say = cell_line_put(c, row, c->c_last_uid);
	mutex_spin_exit(&cell_spin);
	if (!say)
		return;
	kpreempt_disable();
	softint_schedule(cell_softint);
	kpreempt_enable();
}

/*
 * Answers for a member, or for a user of the host that is not root (c is
 * NULL).  Locks: any.
 */
int
cell_decide(kauth_cred_t cred, struct cell *c, const struct cell_row *row)
{

	if (c == NULL)
		return cell_row_denies(row, CELL_CALLER_USER, false, 0) ?
		    KAUTH_RESULT_DENY : KAUTH_RESULT_DEFER;
	if (!cell_row_denies(row, CELL_CALLER_MEMBER, c->c_dying != 0,
	    c->c_permissions))
		return KAUTH_RESULT_DEFER;
	cell_denied(c, row, cred);
	return KAUTH_RESULT_DENY;
}
