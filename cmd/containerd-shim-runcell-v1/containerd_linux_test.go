package main

// The shim below a real containerd: what a session of ctr does not show.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/conformance/clients"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"golang.org/x/sys/unix"
)

// number is what a variable of the environment says, for the long forms.
func number(name string, short int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return short
}

// TestKilled kills containerd or a shim at random moments of a container's life.
// A container outlives containerd; a shim's end is its end; nothing stays.
// RUNCELL_SHIM_KILLS says how often.
func TestKilled(t *testing.T) {
	d := newDaemon(t, "")
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for round := range number("RUNCELL_SHIM_KILLS", 6) {
		id := fmt.Sprintf("k%d", round)
		done := make(chan int, 1)
		args := d.run([]string{"-d"}, id, "sleep", "1000")
		go func() {
			_, code := d.ctr(args...)
			if code == 0 {
				d.ctr("task", "exec", "--exec-id", "x", id, "sh", "-c", "seq 1000; sleep 0.5")
			}
			done <- code
		}()
		time.Sleep(time.Duration(random.IntN(800)) * time.Millisecond)
		before := d.taskPid(id)
		if random.IntN(2) == 0 {
			d.kill()
			d.start()
			if pid := d.taskPid(id); before != 0 && pid != before {
				t.Errorf("round %d: containerd was killed: process %d of the container is %d now", round, before, pid)
			}
			if out, code := d.ctr("task", "exec", "--exec-id", "y", id, "echo", "here"); before != 0 && (code != 0 || out != "here\n") {
				t.Errorf("round %d: exec after containerd was killed: %q, status %d", round, out, code)
			}
		} else {
			for _, pid := range d.shims(id) {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			if before != 0 {
				d.eventually("the container ends with its shim", 20*time.Second, func() bool {
					return unix.Kill(before, 0) != nil && d.taskPid(id) == 0
				})
			}
		}
		if code := <-done; code != 0 {
			// containerd does not clean up after a shim that it could not reach, with
			// any shim; the next one of the id takes the socket over.
			d.forgive(id)
		}
		d.remove(id)
	}
}

// TestDeleteThatTakesLong: containerd kills a delete after five seconds, does not try
// it again, and does not remove the bundle, which keeps a container of the name from
// being started. What was to be deleted goes all the same, and the bundle with it.
func TestDeleteThatTakesLong(t *testing.T) {
	d := newDaemon(t, "native")
	d.must(d.run([]string{"-d"}, "long", "sleep", "1000")...)
	pid := d.taskPid("long")
	bundle := filepath.Join(d.dir, "state/io.containerd.runtime.v2.task", d.namespace(), "long")
	address, err := os.ReadFile(filepath.Join(bundle, "address"))
	if err != nil {
		t.Fatal(err)
	}
	d.kill()
	for _, shim := range d.shims() {
		_ = unix.Kill(shim, unix.SIGKILL)
	}
	record, err := os.Open(filepath.Join(d.dir, "state/runcell", d.namespace(), "long"))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	if err := flock.Lock(t.Context(), int(record.Fd()), flock.Exclusive); err != nil { // as one who is at it
		t.Fatal(err)
	}
	remove := exec.Command(shimBin, "-namespace", d.namespace(), "-address", d.dir+"/c.sock", "-id", "long", "-bundle", bundle, "delete")
	remove.Dir = bundle
	var said bytes.Buffer
	remove.Stderr = &said
	began := time.Now()
	if err := remove.Run(); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("delete of a container that is locked: %v after %v: %s; want an error within 5 s", err, time.Since(began), &said)
	}
	if _, err := os.Lstat(strings.TrimPrefix(string(address), "unix://")); err == nil {
		t.Errorf("the shim's socket %s is left", address)
	}
	_ = record.Close()
	d.eventually("the container goes: "+said.String(), 20*time.Second, func() bool { return unix.Kill(pid, 0) != nil && len(d.left()) == 0 })
	d.eventually("the bundle goes", 20*time.Second, func() bool {
		left, err := os.ReadDir(filepath.Dir(bundle))
		return err == nil && len(left) == 0
	})
	d.start()
}

// TestMany: nothing of a container's output is lost. RUNCELL_SHIM_CONTAINERS says of
// how many.
func TestMany(t *testing.T) {
	d := newDaemon(t, "")
	var want strings.Builder
	for i := 1; i <= 2000; i++ {
		fmt.Fprintln(&want, i)
	}
	n := number("RUNCELL_SHIM_CONTAINERS", 24)
	ids := make(chan []string, n)
	for i := range n {
		ids <- d.run([]string{"--rm"}, fmt.Sprintf("m%d", i), "sh", "-c", "seq 2000; exit 3")
	}
	close(ids)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for args := range ids {
				if out, said, code := d.ctrAll("", args...); code != 3 || out != want.String() {
					id := args[slices.Index(args, clients.ImageName)+1]
					t.Errorf("ctr %s: status %d, %d bytes; want 3, %d bytes\n%s\n%s", strings.Join(args, " "), code, len(out), want.Len(), said, d.logOf(id))
				}
			}
		})
	}
	all.Wait()
}

// TestGroup: containers of one group share a shim, cost little each, and don't
// end with each other.
func TestGroup(t *testing.T) {
	d := newDaemon(t, "")
	start := func(id string) {
		d.must(d.run([]string{"-d", "--annotation", "io.kubernetes.cri.sandbox-id=pod"}, id, "sleep", "1000")...)
	}
	start("g0")
	shims := d.shims()
	if len(shims) != 1 {
		t.Fatalf("shims %v; want one", shims)
	}
	one := restingRSS(t, shims[0])
	if n := descriptors(t, shims[0]); n > 12 {
		t.Errorf("%d descriptors with one container; want at most 12", n)
	}
	const more = 4
	for i := range more {
		start(fmt.Sprintf("g%d", i+1))
	}
	if now := d.shims(); len(now) != 1 || now[0] != shims[0] {
		t.Fatalf("shims %v; want %v for all", now, shims)
	}
	if each := (restingRSS(t, shims[0]) - one) / more; each > 1024 {
		t.Errorf("%d KiB resident with one container, %d more with each further; want at most 1024", one, each)
	}
	t.Logf("resident: %d KiB with one container, %d with %d", one, restingRSS(t, shims[0]), more+1)
	_ = unix.Kill(d.taskPid("g0"), unix.SIGKILL)
	d.eventually("g0 ends", 10*time.Second, func() bool { return d.taskPid("g0") == 0 })
	if out := d.must("task", "exec", "--exec-id", "x", "g1", "echo", "on"); out != "on\n" {
		t.Errorf("exec in g1 = %q", out)
	}
	for i := range more + 1 {
		d.remove(fmt.Sprintf("g%d", i))
	}
}

// restingRSS is how much of a shim is resident, in KiB, some time after it had
// something to do.
func restingRSS(t *testing.T, pid int) int {
	t.Helper()
	time.Sleep(restAfter + 2*time.Second)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Rss:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	t.Fatalf("no Rss in %s", text)
	return 0
}

// descriptors counts those that a shim has opened: what containerd has inherited
// and did not close is above those, and its caller's.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	own, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range own {
		mine, _ := os.Readlink("/proc/self/fd/" + e.Name())
		theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name()))
		if fd, _ := strconv.Atoi(e.Name()); fd < 3 || mine != theirs {
			n++
		}
	}
	return n
}

// TestStreams: what the streams of a container can be besides FIFOs with a
// reader that waits.
func TestStreams(t *testing.T) {
	d := newDaemon(t, "native")
	log := filepath.Join(d.dir, "out", "log")
	d.must(d.run([]string{"-d", "--log-uri", "file://" + log}, "file", "sh", "-c", "echo out; echo err >&2")...)
	d.eventually("the file has the output", 10*time.Second, func() bool {
		text, _ := os.ReadFile(log)
		return string(text) == "out\nerr\n"
	})
	logger := filepath.Join(d.dir, "logger")
	write(t, logger, []byte("#!/bin/sh\nexec 5>&-\n{ echo \"$CONTAINER_NAMESPACE $CONTAINER_ID $*\"; cat <&3; cat <&4; echo end; } >"+d.dir+"/logged\n"))
	if err := os.Chmod(logger, 0o755); err != nil {
		t.Fatal(err)
	}
	d.must(d.run([]string{"-d", "--log-uri", "binary://" + logger + "?key=value"}, "binary", "sh", "-c", "echo out; echo err >&2")...)
	d.eventually("the logger has the output", 10*time.Second, func() bool {
		text, _ := os.ReadFile(filepath.Join(d.dir, "logged"))
		return string(text) == d.namespace()+" binary key value\nout\nerr\nend\n"
	})
	d.must(d.run([]string{"-d"}, "idle", "sleep", "1000")...)
	began := time.Now()
	out, code := d.ctr("task", "exec", "--exec-id", "x", "idle", "sh", "-c", "sleep 300 & echo started")
	if took := time.Since(began); out != "started\n" || code != 0 || took > time.Minute {
		t.Errorf("exec that leaves a process = %q, status %d, in %v", out, code, took)
	}
	if out, code := d.ctrIn("typed\n", "task", "exec", "--exec-id", "x2", "idle", "head", "-n", "1"); out != "typed\n" || code != 0 {
		t.Errorf("exec that reads = %q, status %d", out, code)
	}
	// ctr at times says that the input has ended before there is anybody to hear.
	for i := range 5 {
		id := fmt.Sprintf("cat%d", i)
		if out, code := d.ctrIn("typed\n", d.run([]string{"--rm"}, id, "cat")...); out != "typed\n" || code != 0 {
			t.Errorf("cat = %q, status %d", out, code)
		}
	}
	for _, id := range []string{"file", "binary", "idle"} {
		d.remove(id)
	}
}
