/*
 * What differs between NetBSD releases, from 9 on, and nothing else.  HAVE_*
 * come from cell_have.h, which have.sh makes out of the headers of the kernel
 * that the module is built for.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _CELL_COMPAT_H_
#define _CELL_COMPAT_H_

#include <sys/param.h>
#include <sys/proc.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cell_have.h"

#if __NetBSD_Version__ < 899002500
#error "NetBSD 9 or newer is needed: older kernels hide struct kauth_cred"
#endif

/* proc_lock was a pointer until 9.99. */
#ifdef HAVE_PROC_LOCK_OBJECT
#define	CELL_PROC_LOCK	(&proc_lock)
#else
#define	CELL_PROC_LOCK	proc_lock
#endif

/* Before a reference is dropped; after the last one is seen gone: since 9.99. */
#ifdef HAVE_MEMBAR_RELEASE
#define	CELL_MEMBAR_RELEASE()	membar_release()
#define	CELL_MEMBAR_ACQUIRE()	membar_acquire()
#else
#define	CELL_MEMBAR_RELEASE()	membar_exit()
#define	CELL_MEMBAR_ACQUIRE()	membar_enter()
#endif

/*
 * A word that another processor may change meanwhile: read once, whole, and
 * before what it points to.
 */
#define	CELL_READ(word)	__atomic_load_n(&(word), __ATOMIC_ACQUIRE)

/* The same for writing it: whoever reads it finds what was written before. */
#define	CELL_WRITE(word, v)	__atomic_store_n(&(word), v, __ATOMIC_RELEASE)

/*
 * Whether fork(2) is still making a process.  It is a member by then, but has no
 * address space, and its p_sflag is that of whoever had its memory before.
 * Locks: proc_lock.
 */
#define	CELL_UNMADE(p)	((p)->p_stat == SIDL)

/* Whether a process has begun to end.  Locks: proc_lock. */
#define	CELL_ENDING(p) \
	(!CELL_UNMADE(p) && (((p)->p_sflag & PS_WEXIT) != 0 || P_ZOMBIE(p)))

/* Threads have numbers of their own since 9.99; before, a process's was meant. */
#ifdef HAVE_PROC_FIND_LWPID
#define	CELL_PROC_FIND_LWPID(tid)	proc_find_lwpid(tid)
#else
#define	CELL_PROC_FIND_LWPID(tid)	proc_find(tid)
#endif

/* Before 9.99 the table has no such request, and answers for none the same. */
#ifdef HAVE_KAUTH_REQ_NETWORK_BIND_ANYADDR
#define	CELL_BIND_ANYADDR	KAUTH_REQ_NETWORK_BIND_ANYADDR
#else
#define	CELL_BIND_ANYADDR	(~(uintptr_t)0)
#endif

/* PF_OROUTE came with 5.99. */
#ifndef PF_OROUTE
#define	PF_OROUTE	PF_ROUTE
#endif

#endif /* _CELL_COMPAT_H_ */
