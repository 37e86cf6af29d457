package exeseal

// What a container could do to the runcell process that serves it, on NetBSD.

// Protect has nothing to do. On Linux a container can reach the binary of
// a process that is about to exec in it, keep it open, and write to it later
// (CVE-2019-5736). Here that file is found as /proc/PID/file, but NetBSD marks
// a vnode as a program's text for as long as anybody refers to it, and
// open(2) for writing gives ETXTBSY meanwhile: who still holds the file cannot
// write to it, and who has let go of it cannot find it again from inside
// chroot(2).
func Protect() error { return nil }

// Protected is true, for the same reason.
func Protected() (bool, error) { return true, nil }

// RefuseSelf has nothing to refuse where a container's program could be ours.
// /proc/self/exe is a plain path on NetBSD, looked up in the container's root,
// where our binary is not. /proc/self/file does lead to it, but then it runs
// with the cell's rights and, as said above, cannot be written to.
func RefuseSelf(int) error { return nil }
