package hostroot

// How many mounts a host bears. NetBSD's syncer looks at every mount once a second
// (sched_sync in sys/kern/vfs_subr.c), and finds its own note about each in a list that
// has all of them (vfs_trans.c). As long as any thread that sleeps has a note about a
// mount that is gone, which is as good as always, it goes through the whole list for
// each. So its time grows with the square of their number, and more once the list is
// larger than the processor's cache. Once it takes more than a second it never rests: a
// host with one processor then does nothing else, as a thread of the kernel comes before
// all programs, and with several each unmount takes minutes.

import "fmt"

// maxSyncer is what the syncer may take of a processor, in percent. While nobody has
// such a note it takes a third of what it may need at any time.
const maxSyncer = 20

// checkCrowd refuses one more root where the kernel has enough to do with the mounts
// that are there.
func checkCrowd(k Kernel) error {
	takes, err := k.syncer()
	if err != nil {
		return err
	}
	if takes > maxSyncer {
		return fmt.Errorf("mount the root: the kernel's syncer (ioflush) takes %d %% of a processor (at most %d) to look at all mounts of the host every second, "+
			"and with more of them it would soon leave nothing: give cells fewer mounts, or run fewer cells", takes, maxSyncer)
	}
	return nil
}
