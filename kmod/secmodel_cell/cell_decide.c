/*
 * Denials: counted exactly, logged seldom.
 *
 * A process that may not be seen is left out of a list; that is how lists are
 * filtered, not something that anybody asked for, and is not counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/proc.h>
#include <sys/syslog.h>
#include <sys/systm.h>
#include <sys/time.h>

#include "cell_var.h"

/* A cell writes a line every so many seconds at most. */
#define	CELL_LOG_SECONDS	10

uint64_t
cell_uptime(void)
{
	struct timespec ts;

	getnanouptime(&ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void
cell_denied(struct cell *c, const struct cell_row *row, kauth_cred_t cred)
{
	uint64_t missed = 0;
	bool say;

	if (row->cr_class == CELL_CLASS_PROCESS_CANSEE_OTHER_CELL)
		return;
	mutex_enter(&c->c_lock);
	c->c_denials[row->cr_scope]++;
	c->c_last_ns = cell_uptime();
	c->c_last_class = row->cr_class;
	c->c_last_pid = curproc->p_pid;
	c->c_last_uid = kauth_cred_geteuid(cred);
	say = c->c_log_time == 0 ||
	    time_uptime - c->c_log_time >= CELL_LOG_SECONDS;
	if (say) {
		missed = c->c_log_missed;
		c->c_log_missed = 0;
		c->c_log_time = time_uptime;
	} else
		c->c_log_missed++;
	mutex_exit(&c->c_lock);
	if (say)
		log(LOG_NOTICE, "secmodel_cell: cell %u (%s): denied class %u "
		    "to pid %d, euid %u; %llu more since the last line\n",
		    c->c_id, c->c_create.cc_name, row->cr_class,
		    curproc->p_pid, kauth_cred_geteuid(cred),
		    (unsigned long long)missed);
}

/* Root on the host: nothing here concerns it. */
bool
cell_host_root(kauth_cred_t cred)
{

	return kauth_cred_geteuid(cred) == 0 && cell_of(cred) == NULL;
}

/* Answers for a caller that is not root on the host. */
int
cell_decide(kauth_cred_t cred, struct cell *c, unsigned action,
    unsigned request, uint32_t facts)
{
	const struct cell_row *row;

	row = cell_row_find(action, request, facts);
	if (c == NULL)
		return cell_row_denies(row, CELL_CALLER_USER, false, 0) ?
		    KAUTH_RESULT_DENY : KAUTH_RESULT_DEFER;
	if (!cell_row_denies(row, CELL_CALLER_MEMBER, c->c_dying != 0,
	    c->c_permissions))
		return KAUTH_RESULT_DEFER;
	cell_denied(c, row, cred);
	return KAUTH_RESULT_DENY;
}
