/*
 * The lists of queue(3), as far as the module and the stand-ins use them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_LIST_H
#define KERN_LIST_H

/* LIST: removed from anywhere, walked forward. */
#define	LIST_HEAD(name, type)	struct name { struct type *lh_first; }
#define	LIST_HEAD_INITIALIZER(h) { NULL }
#define	LIST_ENTRY(type)	struct { struct type *le_next, **le_prev; }
#define	LIST_INIT(h)		((h)->lh_first = NULL)
#define	LIST_FIRST(h)		((h)->lh_first)
#define	LIST_EMPTY(h)		((h)->lh_first == NULL)
#define	LIST_NEXT(e, f)		((e)->f.le_next)
#define	LIST_FOREACH(v, h, f) \
	for ((v) = LIST_FIRST(h); (v) != NULL; (v) = LIST_NEXT(v, f))
#define	LIST_FOREACH_SAFE(v, h, f, n) \
	for ((v) = LIST_FIRST(h); (v) != NULL && ((n) = LIST_NEXT(v, f), 1); \
	    (v) = (n))
#define	LIST_INSERT_HEAD(h, e, f) do { \
	(e)->f.le_next = (h)->lh_first; \
	(e)->f.le_prev = &(h)->lh_first; \
	if ((h)->lh_first != NULL) \
		(h)->lh_first->f.le_prev = &(e)->f.le_next; \
	(h)->lh_first = (e); \
} while (0)
#define	LIST_REMOVE(e, f) do { \
	if ((e)->f.le_next != NULL) \
		(e)->f.le_next->f.le_prev = (e)->f.le_prev; \
	*(e)->f.le_prev = (e)->f.le_next; \
	(e)->f.le_prev = (void *)1; \
} while (0)

/* TAILQ: both ends, both ways. */
#define	TAILQ_HEAD(name, type) \
	struct name { struct type *tqh_first, **tqh_last; }
#define	TAILQ_HEAD_INITIALIZER(h) { NULL, &(h).tqh_first }
#define	TAILQ_ENTRY(type)	struct { struct type *tqe_next, **tqe_prev; }
#define	TAILQ_INIT(h) \
	((h)->tqh_first = NULL, (h)->tqh_last = &(h)->tqh_first)
#define	TAILQ_FIRST(h)		((h)->tqh_first)
#define	TAILQ_EMPTY(h)		((h)->tqh_first == NULL)
#define	TAILQ_NEXT(e, f)	((e)->f.tqe_next)
#define	TAILQ_FOREACH(v, h, f) \
	for ((v) = TAILQ_FIRST(h); (v) != NULL; (v) = TAILQ_NEXT(v, f))
#define	TAILQ_FOREACH_SAFE(v, h, f, n) \
	for ((v) = TAILQ_FIRST(h); (v) != NULL && ((n) = TAILQ_NEXT(v, f), 1); \
	    (v) = (n))
#define	TAILQ_INSERT_HEAD(h, e, f) do { \
	if (((e)->f.tqe_next = (h)->tqh_first) != NULL) \
		(h)->tqh_first->f.tqe_prev = &(e)->f.tqe_next; \
	else \
		(h)->tqh_last = &(e)->f.tqe_next; \
	(h)->tqh_first = (e); \
	(e)->f.tqe_prev = &(h)->tqh_first; \
} while (0)
#define	TAILQ_INSERT_TAIL(h, e, f) do { \
	(e)->f.tqe_next = NULL; \
	(e)->f.tqe_prev = (h)->tqh_last; \
	*(h)->tqh_last = (e); \
	(h)->tqh_last = &(e)->f.tqe_next; \
} while (0)
#define	TAILQ_REMOVE(h, e, f) do { \
	if ((e)->f.tqe_next != NULL) \
		(e)->f.tqe_next->f.tqe_prev = (e)->f.tqe_prev; \
	else \
		(h)->tqh_last = (e)->f.tqe_prev; \
	*(e)->f.tqe_prev = (e)->f.tqe_next; \
	(e)->f.tqe_prev = (void *)1; \
} while (0)

#endif
