package main

// The probe's facts and attempts as NetBSD spells them.

import (
	"fmt"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/mount"
	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
)

var rlimits = map[string]int{
	"RLIMIT_CPU": unix.RLIMIT_CPU, "RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_STACK": unix.RLIMIT_STACK,
	"RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_AS": unix.RLIMIT_AS,
	"RLIMIT_FSIZE": 1, "RLIMIT_MEMLOCK": 6, "RLIMIT_NPROC": 7, // sys/resource.h
}

// unlimited turns RLIM_INFINITY, 2^63-1 here, into OCI's 2^64-1.
func unlimited(v uint64) uint64 {
	if v == 1<<63-1 {
		return ^uint64(0)
	}
	return v
}

func descriptorTarget(int) string { return "" }

func systemFacts(f *fact.Facts) { f.Mounts = mounts() }

// mounts reads the mount table as this process sees it: below its root.
func mounts() []fact.Mount {
	n, err := unix.Getvfsstat(nil, unix.ST_NOWAIT)
	if err != nil {
		return nil
	}
	list := make([]unix.Statvfs_t, n+8)
	if n, err = unix.Getvfsstat(list, unix.ST_NOWAIT); err != nil {
		return nil
	}
	var all []fact.Mount
	for _, fs := range list[:n] {
		all = append(all, fact.Mount{
			Destination: unix.ByteSliceToString(fs.Mntonname[:]), Type: unix.ByteSliceToString(fs.Fstypename[:]),
			Source: unix.ByteSliceToString(fs.Mntfromname[:]), Options: mountOptions(uint64(fs.Flag)),
		})
	}
	return all
}

// mountOptions names the flags of sys/fstypes.h as mount(8) does.
func mountOptions(flags uint64) string {
	var options []string
	for _, f := range [...]struct {
		flag uint64
		name string
	}{{0x1, "ro"}, {0x4, "noexec"}, {0x8, "nosuid"}, {0x10, "nodev"}} {
		if flags&f.flag != 0 {
			options = append(options, f.name)
		}
	}
	return strings.Join(options, ",")
}

func opMount(_ *probe, args []string, _ *fact.Line) error { return mount.Tmpfs(args[0], 0o700) }

// opSettime sets the clock to what it already says.
func opSettime(*probe, []string, *fact.Line) error {
	var now unix.Timeval
	if err := unix.Gettimeofday(&now); err != nil {
		return err
	}
	return unix.Settimeofday(&now)
}

func opMknod(_ *probe, args []string, _ *fact.Line) error {
	return unix.Mknod(args[0], unix.S_IFBLK|0o600, 0)
}

// opSize tells a filesystem's size in bytes and its inodes.
func opSize(_ *probe, args []string, line *fact.Line) error {
	var st unix.Statvfs_t
	if err := unix.Statvfs(args[0], &st); err != nil {
		return err
	}
	line.Text = fmt.Sprintf("%d %d", uint64(st.Blocks)*uint64(st.Frsize), st.Files)
	return nil
}
