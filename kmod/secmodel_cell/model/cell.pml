/*
 * The life of a cell, for spin(1): create, enter, fork, change of credentials,
 * end, kill, destroy and unload, by several processors in every order.
 *
 *	spin -a -DWITH_RIVAL cell.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
 *
 * It follows the module step by step: the comment of each part says which
 * functions it is, and theirs which part.  Who changes a step here, or the lock
 * around it, changes it there.
 * What an assertion or a blocked process would show:
 *
 * - memory of a cell or of a credential is not used after it was freed, nor
 *   the module after it was unloaded;
 * - no reference is lost: what was destroyed is freed in the end, once;
 * - a destroyed cell has no member, and none comes;
 * - whoever kills until nobody is left comes to an end, and destroys;
 * - unload is refused while there is a cell, and waits for whoever is in the
 *   module.
 *
 * Two processes of the cell and who administers it are always there.  WITH_RIVAL
 * adds a second administrator, WITH_ASKER who asks about the processes,
 * WITH_UNLOADER who unloads: all at once are more than can be looked at.
 *
 * With one of the macros FAULT_* a step is left out or done otherwise, and one
 * of these must show: model_test.go tries each.
 *
 * One cell, two processes, and no loading, policy or limit.  A lock is a bit.
 * What is done with a lock that everybody else takes for it, too, is one step;
 * whatever else others can see happen in between is several.  A p_lock is not
 * shown: only the process itself changes its credential.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define	PROCS	2
#define	CREDS	5		/* 0 is the host's, which stays */

/* Locks */
bit cell_lock, proc_lock, cell_spin;

inline enter(lock)	{ atomic { lock == 0 -> lock = 1 } }
inline leave(lock)	{ lock = 0 }
#define	FREE(lock)	lock == 0	/* taken and left in the same step */

/* The cell: struct cell */
bit listed, dying, freed, destroyed;
byte refs, nprocs;

/* Credentials: who holds them, and whether they point to the cell */
byte cr_refs[CREDS];
bit cr_cell[CREDS], cr_used[CREDS], cr_freed[CREDS];

/* Processes */
bit childless;			/* the second one will not come */
bit alive[PROCS], record[PROCS], killed[PROCS], zombie[PROCS];
byte p_cred[PROCS];

/* The module: who is in a listener or a handler, and whether it is there */
bit loaded = 1, listening = 1, nodes = 1, closing;
byte listeners, handlers, busy;

byte done;			/* actors that have come to an end */

/* What the faults leave out, or do otherwise. */
#ifdef FAULT_CRED_FREE		/* freed under whoever looks at it */
#define	CRED_WAITS	skip
#else
#define	CRED_WAITS	FREE(cell_spin)
#endif
#ifdef FAULT_ENTER_UNLOCKED	/* cell_lock is dropped too early */
#define	ENTER_EARLY	leave(cell_lock)
#define	ENTER_LATE	skip
#else
#define	ENTER_EARLY	skip
#define	ENTER_LATE	leave(cell_lock)
#endif
#ifdef FAULT_COPY_HOLD		/* a copied credential holds nothing */
#define	COPY_HOLDS	skip
#else
#define	COPY_HOLDS	hold()
#endif
#ifdef FAULT_KILL_HOLD		/* kill uses the cell without a reference */
#define	KILL_HOLDS	skip
#define	KILL_RELEASES	skip
#else
#define	KILL_HOLDS	hold()
#define	KILL_RELEASES	rele()
#endif
#ifdef FAULT_KILL_ONCE		/* a fork that was under way is forgotten */
#define	KILL_AGAIN	NOBODY_LEFT
#else
#define	KILL_AGAIN	(SOMEBODY_NEW || NOBODY_LEFT)
#endif
#ifdef FAULT_DYING_COUNT	/* killed cells are counted, as once */
byte ndying;
#define	KILL_MARKS	ndying = ndying + !dying; dying = 1
#define	DESTROY_COUNTS	if :: dying -> ndying-- :: else -> dying = 1 fi
#else
#define	KILL_MARKS	dying = 1
#define	DESTROY_COUNTS	skip
#endif
#ifdef FAULT_UNLOAD_BUSY	/* a path that is looked up is forgotten */
#define	MAY_UNLOAD	!listed
#else
#define	MAY_UNLOAD	(!listed && busy == 0)
#endif
#ifdef FAULT_UNLOAD_HANDLERS	/* unload does not wait for them */
#define	HANDLERS_WAIT	skip
#else
#define	HANDLERS_WAIT	handlers == 0
#endif
#ifdef FAULT_UNLOAD_LISTENERS	/* nor for those */
#define	LISTENERS_WAIT	skip
#else
#define	LISTENERS_WAIT	listeners == 0
#endif

#define	CELL_OK		assert(!freed)
#define	MODULE_OK	assert(loaded)

/* kauth(9): nobody is asked any more once the listeners are gone. */
inline ask(heard)
{
	atomic { heard = listening; listeners = listeners + listening }
}
inline answered()
{
	atomic { MODULE_OK; listeners-- }
}

/* sysctl(9): a handler runs under the tree's lock. */
inline call(heard)
{
	atomic { heard = nodes; handlers = handlers + nodes }
}
inline returned()
{
	atomic { MODULE_OK; handlers-- }
}

/* cell_hold */
inline hold()
{
	atomic { CELL_OK; assert(refs > 0); refs++ }
}

/*
 * cell_rele: the last one frees the cell, which then is one of the dead.
 */
inline rele()
{
	atomic { CELL_OK; assert(refs > 0); refs--; last = refs == 0 }
	atomic {
		if
		:: last -> FREE(cell_spin); assert(!listed); CELL_OK; freed = 1
		:: else
		fi;
		last = 0
	}
}

/* kauth_cred_alloc */
inline cred_alloc(c)
{
	atomic {
		c = 1;
		do
		:: c < CREDS && cr_used[c] -> c++
		:: else -> break
		od;
		assert(c < CREDS);
		cr_used[c] = 1;
		cr_refs[c] = 1
	}
}

/*
 * kauth_cred_free, and KAUTH_CRED_FREE in cell_cred_cb: who has found the
 * credential in a process holds cell_spin while he looks at it.
 */
inline cred_free(c)
{
	atomic {
		assert(!cr_freed[c]);
		cr_refs[c]--;
		gone = c != 0 && cr_refs[c] == 0
	}
	if
	:: gone ->
		ask(heard);
		if
		:: heard ->
			if
			:: cr_cell[c] -> CRED_WAITS; rele()
			:: else
			fi;
			answered()
		:: else
		fi;
		atomic { cr_freed[c] = 1; gone = 0; heard = 0 }
	:: else
	fi
}

/* cell_proc_begin */
inline begin(p)
{
	hold();
	atomic { FREE(cell_spin); assert(listed); record[p] = 1 }
}

/* exit1, with cell_proc_end: proc_finispecific under proc_lock */
inline process_ends(p)
{
	enter(proc_lock);
	if
	:: record[p] ->
		atomic { FREE(cell_spin); CELL_OK; record[p] = 0 }
		atomic { MODULE_OK; CELL_OK; nprocs-- }
		rele()
	:: else
	fi;
	atomic { alive[p] = 0; zombie[p] = 1; leave(proc_lock) }
}

/* proc_free: by whoever waits for it, at any time after its end */
inline process_reaped(p)
{
	atomic { FREE(proc_lock); zombie[p] = 0 }
	cred_free(p_cred[p])
}

/* cell_enter, a handler of sysctl */
inline cell_enter(p)
{
	call(heard);
	if
	:: heard ->
		cred_alloc(new);
		enter(cell_lock);
		if
		:: listed && !dying ->
			ENTER_EARLY;
			atomic { CELL_OK; nprocs++ }
			hold();
			cr_cell[new] = 1;
			atomic { old = p_cred[p]; p_cred[p] = new }
			begin(p);
			ENTER_LATE;
			entered = 1
		:: else ->
			leave(cell_lock);
			old = new
		fi;
		cred_free(old);
		returned()
	:: else
	fi
}

/*
 * fork1: KAUTH_PROCESS_FORK, which is cell_process_facts, kauth_proc_fork,
 * KAUTH_CRED_FORK in cell_cred_cb
 */
inline process_forks(p, child)
{
	ask(heard);
	may = 1;
	if
	:: heard ->
		if
		:: cr_cell[p_cred[p]] -> atomic { CELL_OK; may = !dying }
		:: else
		fi;
		answered()
	:: else
	fi;
	if
	:: may ->
		atomic { p_cred[child] = p_cred[p]; cr_refs[p_cred[p]]++ }
		ask(heard);
		if
		:: heard ->
			if
			:: cr_cell[p_cred[child]] ->
				atomic { CELL_OK; nprocs++ }
				begin(child)
			:: else
			fi;
			answered()
		:: else
		fi;
		alive[child] = 1
	:: else
	fi
}

/* do_setresuid, with KAUTH_CRED_COPY in cell_cred_cb */
inline process_setuid(p)
{
	cred_alloc(new);
	ask(heard);
	if
	:: heard ->
		if
		:: cr_cell[p_cred[p]] ->
			COPY_HOLDS;
			cr_cell[new] = 1
		:: else
		fi;
		answered()
	:: else
	fi;
	atomic { old = p_cred[p]; p_cred[p] = new; new = 0 }
	cred_free(old)
}

/*
 * A process of the host's that enters, forks, and may leave its credential in
 * a file that is closed when nobody knows of the process any more.
 */
active proctype First()
{
	byte new, old, file = 0;
	bit heard, may, last, gone, entered = 0;

	atomic { alive[0] = 1; cr_refs[0]++ }
	cell_enter(0);
	if
	:: entered ->
		process_forks(0, 1);
		childless = !alive[1];
		if
		:: process_setuid(0)
		:: true
		fi;
		if
		:: atomic { file = p_cred[0]; cr_refs[file]++ }
		:: true
		fi;
		/* It ends when it likes, or when it is killed. */
		if
		:: true
		:: killed[0]
		fi
	:: else -> childless = 1
	fi;
	process_ends(0);
	process_reaped(0);
	if
	:: file != 0 -> cred_free(file)
	:: else
	fi;
	done++
}

active proctype Child()
{
	bit heard, last, gone;

	/* It may never come. */
	if
	:: alive[1] ->
		killed[1];	/* it would not end by itself */
		process_ends(1);
		process_reaped(1)
	:: childless
	fi;
	done++
}

/* cell_signal with SIGKILL, a handler, and cell_get before it */
inline kill()
{
	call(heard);
	if
	:: heard ->
		atomic {
			FREE(cell_lock);
			found = listed;
			if
			:: found -> KILL_HOLDS
			:: else
			fi
		}
		if
		:: found ->
			atomic { CELL_OK; KILL_MARKS }
			atomic {
				FREE(proc_lock);
				CELL_OK;
				killed[0] = killed[0] | record[0];
				killed[1] = killed[1] | record[1]
			}
			KILL_RELEASES
		:: else
		fi;
		returned()
	:: else
	fi
}

#define	HAS_PROCESS	(record[0] || record[1] || \
	(zombie[0] && cr_cell[p_cred[0]]) || (zombie[1] && cr_cell[p_cred[1]]))

/* cell_destroy, a handler; cell_bury */
inline destroy()
{
	call(heard);
	if
	:: heard ->
		enter(cell_lock);
		found = listed;
		none = nprocs == 0;
		if
		:: found && none ->
			atomic { FREE(proc_lock); none = !HAS_PROCESS }
		:: else
		fi;
		if
		:: found && none ->
			DESTROY_COUNTS;
			atomic { listed = 0; dying = 1; destroyed = 1 }
			rele()
		:: else
		fi;
		leave(cell_lock);
		returned()
	:: else -> found = 0
	fi
}

/*
 * cell_create, with cell_resolve: the path is looked up without any lock, but
 * is counted.
 */
inline create()
{
	call(heard);
	if
	:: heard ->
		atomic {
			FREE(cell_lock);
			may = !closing;
			busy = busy + may
		}
		if
		:: may ->
			atomic { MODULE_OK; handlers-- }	/* sysctl_unlock */
			atomic { MODULE_OK; handlers++ }	/* sysctl_relock */
			atomic { FREE(cell_lock); MODULE_OK; busy-- }
			atomic {
				FREE(cell_lock);
				if
				:: !closing -> refs = 1; listed = 1
				:: else
				fi
			}
		:: else
		fi;
		returned()
	:: else
	fi
}

/*
 * Whether another round would find somebody to kill, or nobody at all: else
 * whoever kills waits for what he has killed.
 */
#define	SOMEBODY_NEW \
	((record[0] && !killed[0]) || (record[1] && !killed[1]))
#define	NOBODY_LEFT	(nprocs == 0 && !HAS_PROCESS)

/* Creates, kills until nobody is left, destroys. */
active proctype Admin()
{
	bit heard, may, found, none, last;

	create();
	do
	:: kill();
		destroy();
		if
		:: !found || none -> break
		:: else -> KILL_AGAIN
		fi
	od;
	done++
}

#ifdef WITH_RIVAL
/* Another administrator, too early, too late or at once. */
active proctype Rival()
{
	bit heard, found, none, last;

	if
	:: kill()
	:: true
	fi;
	destroy();
	done++
}
#endif

#ifdef WITH_ASKER
/*
 * cell_process_facts, about a process that may have ended since the kernel
 * found it: a record is looked up by its address, and what it says is good
 * while cell_spin is held.
 */
active proctype Asker()
{
	byte p, c;
	bit heard;

	ask(heard);
	if
	:: heard ->
		atomic {
			if
			:: p = 0
			:: p = 1
			fi;
			FREE(cell_spin);
			cell_spin = record[p];
			if
			:: record[p] -> CELL_OK; c = p_cred[p]
			:: else -> c = CREDS
			fi;
			p = 0
		}
		atomic {
			if
			:: c < CREDS -> assert(!cr_freed[c]); leave(cell_spin)
			:: else
			fi;
			c = 0
		}
		answered()
	:: else
	fi;
	done++
}
#endif

#ifdef WITH_UNLOADER
/* cell_stop, with cell_life_fini */
active proctype Unloader()
{
	byte c;

	atomic { FREE(cell_lock); closing = MAY_UNLOAD }
	if
	:: closing ->
		nodes = 0;
		HANDLERS_WAIT;		/* sysctl_teardown */
		listening = 0;
		LISTENERS_WAIT;		/* cell_unlisten: if it waits long enough */
		/* cell_cred_fini, cell_ref_fini */
		atomic {
			assert(!record[0] && !record[1]);
			c = 0;
			do
			:: c < CREDS -> cr_cell[c] = 0; c++
			:: else -> break
			od;
			if
			:: destroyed && !freed -> refs = 0; freed = 1
			:: else
			fi;
			loaded = 0
		}
	:: else
	fi;
	done++
}
#endif

#ifdef WITH_RIVAL
#define	RIVALS	1
#else
#define	RIVALS	0
#endif
#ifdef WITH_ASKER
#define	ASKERS	1
#else
#define	ASKERS	0
#endif
#ifdef WITH_UNLOADER
#define	UNLOADERS	1
#else
#define	UNLOADERS	0
#endif

/* When everybody has come to an end. */
active proctype End()
{
	done == 3 + RIVALS + ASKERS + UNLOADERS;
	assert(nprocs == 0);
	assert(!record[0] && !record[1]);
	assert(!listed);
	assert(destroyed == freed);
	assert(refs == 0);
#ifdef FAULT_DYING_COUNT
	assert(ndying == 0);
#endif
}
