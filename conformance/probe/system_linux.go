package main

// The probe's facts and attempts that only Linux has, or spells its own way.

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/mount"
	"github.com/netbsd-cells/runcell/conformance/probe/fact"
	"golang.org/x/sys/unix"
)

var rlimits = map[string]int{
	"RLIMIT_CPU": unix.RLIMIT_CPU, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_DATA": unix.RLIMIT_DATA,
	"RLIMIT_STACK": unix.RLIMIT_STACK, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE,
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK,
}

func unlimited(v uint64) uint64 { return v }

func descriptorTarget(n int) string {
	s, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(n))
	return s
}

func systemFacts(f *fact.Facts) {
	f.Mounts = mounts()
	f.Namespaces = map[string]string{}
	for _, ns := range []string{"mnt", "pid", "ipc", "uts", "net"} {
		f.Namespaces[ns], _ = os.Readlink("/proc/self/ns/" + ns)
	}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch key {
		case "SigBlk":
			f.Blocked = value
		case "CapBnd":
			f.CapBounding = value
		case "CapEff":
			f.CapEff = value
		case "NoNewPrivs":
			f.NoNewPrivs = value == "1"
		}
	}
	if b, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			f.OOMScoreAdj = &n
		}
	}
}

// mounts reads /proc/self/mountinfo (proc(5)); nothing without a /proc.
func mounts() []fact.Mount {
	b, _ := os.ReadFile("/proc/self/mountinfo")
	var all []fact.Mount
	for line := range strings.Lines(string(b)) {
		mount, fs, ok := strings.Cut(strings.TrimSpace(line), " - ")
		left, right := strings.Fields(mount), strings.Fields(fs)
		if !ok || len(left) < 6 || len(right) < 2 {
			continue
		}
		all = append(all, fact.Mount{Destination: left[4], Options: left[5], Type: right[0], Source: right[1]})
	}
	return all
}

func opMount(_ *probe, args []string, _ *fact.Line) error {
	return mount.Tmpfs(args[0], 0o700)
}

// opSettime sets the clock to what it already says.
func opSettime(*probe, []string, *fact.Line) error {
	var now unix.Timeval
	if err := unix.Gettimeofday(&now); err != nil {
		return err
	}
	return unix.Settimeofday(&now)
}

func opMknod(_ *probe, args []string, _ *fact.Line) error {
	return unix.Mknod(args[0], unix.S_IFBLK|0o600, int(unix.Mkdev(8, 0)))
}

// opSize tells a filesystem's size in bytes and its inodes.
func opSize(_ *probe, args []string, line *fact.Line) error {
	var st unix.Statfs_t
	if err := unix.Statfs(args[0], &st); err != nil {
		return err
	}
	line.Text = fmt.Sprintf("%d %d", int64(st.Blocks)*st.Bsize, st.Files)
	return nil
}
