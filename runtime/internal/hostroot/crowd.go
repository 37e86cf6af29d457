package hostroot

// How many mounts a host bears. NetBSD's syncer looks at every mount once a second
// (sched_sync in sys/kern/vfs_subr.c), and finds its own note about each in a list that
// has all of them (vfs_trans.c). As long as any thread that sleeps has a note about a
// mount that is gone, which is as good as always, it goes through the whole list for
// each. So its time grows with the square of their number, and more once the list is
// larger than the processor's cache. Once it takes more than a second it never rests: a
// host with one processor then does nothing else, as a thread of the kernel comes before
// all programs, and with several each unmount takes minutes.

import (
	"fmt"
	"time"
)

const (
	// maxSyncer is what the syncer may take of a processor, in percent. It writes files,
	// too, and the kernel's figure follows it late: after a minute at worst while it
	// takes little, within seconds where it takes much (sched_pstats in
	// sys/kern/kern_synch.c counts a thread that mostly sleeps when it finds it awake).
	maxSyncer = 20
	// maxWalk is what looking at all mounts may take where the syncer takes more: two or
	// three times as long if there are notes as said above.
	maxWalk = 60 * time.Millisecond
)

// checkCrowd refuses one more root where the kernel has enough to do with the mounts
// that are there.
func checkCrowd(k Kernel) error {
	takes, err := k.syncer()
	if err != nil {
		return err
	}
	if takes <= maxSyncer {
		return nil
	}
	mounts, took, err := k.walk()
	if err != nil {
		return err
	}
	if took <= maxWalk { // it writes files
		return nil
	}
	return fmt.Errorf("mount the root: the kernel's syncer (ioflush) takes %d %% of a processor (at most %d), %d ms each time that it looks at the host's %d mounts, "+
		"and with more of them it would soon leave nothing: give cells fewer mounts, or run fewer cells", takes, maxSyncer, took.Milliseconds(), mounts)
}
