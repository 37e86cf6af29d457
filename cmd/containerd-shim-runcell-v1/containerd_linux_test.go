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

// TestKilled kills containerd, a shim or both at random moments of a container's life.
// A container outlives containerd; a shim's end is its end; no output is lost but what
// a shim that was killed had in hand; nothing stays. RUNCELL_SHIM_KILLS says how often.
func TestKilled(t *testing.T) {
	d := newDaemon(t, "")
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for round := range number("RUNCELL_SHIM_KILLS", 6) {
		id := fmt.Sprintf("k%d", round)
		done := make(chan int, 1)
		output := filepath.Join(d.dir, id+".log")
		args := d.run([]string{"-d", "--log-uri", "file://" + output}, id, "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done")
		go func() {
			_, code := d.ctr(args...)
			if code == 0 {
				// Its client ends with an error when containerd goes away.
				out, status := d.ctr("task", "exec", "--exec-id", "x", id, "sh", "-c", "seq 1000; sleep 0.5")
				if status == 0 && !counts(out, 1000) {
					t.Errorf("%s: exec has printed %d bytes: %q", id, len(out), out)
				}
			}
			done <- code
		}()
		time.Sleep(time.Duration(random.IntN(800)) * time.Millisecond)
		before := d.taskPid(id)
		switch random.IntN(3) {
		case 0:
			d.kill()
			d.start()
			if pid := d.taskPid(id); before != 0 && pid != before {
				t.Errorf("round %d: containerd was killed: process %d of the container is %d now", round, before, pid)
			}
			if out, code := d.ctr("task", "exec", "--exec-id", "y", id, "echo", "here"); before != 0 && (code != 0 || out != "here\n") {
				t.Errorf("round %d: exec after containerd was killed: %q, status %d", round, out, code)
			}
			if before != 0 {
				was := size(output)
				d.eventually("the container's output goes on", 20*time.Second, func() bool { return size(output) > was })
			}
		case 1:
			d.killShims(id)
			d.endsWithShim(id, before)
		default:
			d.kill()
			d.killShims(id)
			d.start()
			d.endsWithShim(id, before)
		}
		if code := <-done; code != 0 {
			// containerd does not clean up after a shim that it could not reach, with
			// any shim; the next one of the id takes the socket over.
			d.forgive(id)
		}
		d.remove(id)
		if text, _ := os.ReadFile(output); !counts(string(text), 0) {
			t.Errorf("round %d: lines are missing in the container's output:\n%s", round, text)
		}
	}
}

// killShims ends those of a container without a warning.
func (d *daemon) killShims(id string) {
	for _, pid := range d.shims(id) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// endsWithShim waits until a container has ended whose shim was killed; 0: it had none.
func (d *daemon) endsWithShim(id string, pid int) {
	d.t.Helper()
	if pid != 0 {
		d.eventually("the container ends with its shim", 20*time.Second, func() bool { return unix.Kill(pid, 0) != nil && d.taskPid(id) == 0 })
	}
}

// counts tells whether a text is the numbers from 1 on, a line each, without a gap: up
// to n; 0: up to any, of which the last line may be a part.
func counts(text string, n int) bool {
	i := 0
	for line := range strings.Lines(text) {
		i++
		want := fmt.Sprintln(i)
		if part := n == 0 && !strings.HasSuffix(line, "\n"); line != want && !(part && strings.HasPrefix(want, line)) {
			return false
		}
	}
	return n == 0 || i == n
}

func size(name string) int64 {
	fi, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return fi.Size()
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
	if err := remove.Run(); err == nil || !strings.Contains(said.String(), "goes on in process") {
		t.Errorf("delete of a container that is locked: %v: %s; want that it goes on elsewhere", err, &said)
	}
	killed := exec.Command(shimBin, remove.Args[1:]...) // as containerd does when it is late
	killed.Dir = bundle
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	d.eventually("a process goes on beside the delete", 20*time.Second, func() bool {
		return apart("long") > 1 // the first one's, too
	})
	_ = killed.Process.Kill()
	_ = killed.Wait()
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
	d.remove("long")
	if out, code := d.ctr(d.run([]string{"--rm"}, "long", "sh", "-c", "echo again; sleep 0.5")...); out != "again\n" || code != 0 {
		t.Errorf("a container of the same name = %q, status %d", out, code)
	}
}

// apart counts the processes that do a delete's work for a container.
func apart(id string) (n int) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range lines {
		line, _ := os.ReadFile(name)
		if bytes.Contains(line, []byte("\x00-id\x00"+id+"\x00")) && bytes.Contains(line, []byte("\x00-apart\x00")) {
			n++
		}
	}
	return n
}

// TestEndsWhileAway: what ends while containerd is away has ended when it is back, with
// its status. containerd 2 takes a task of its own shim's then for one that never was,
// and it is gone.
func TestEndsWhileAway(t *testing.T) {
	d := newDaemon(t, "native")
	for name, runtime := range map[string]string{"own": shimBin, "theirs": d.runcShim()} {
		d.must(d.runWith(runtime, []string{"-d"}, name, "sh", "-c", "sleep 1000; exit 3")...)
	}
	waits := map[string]int{}
	for _, name := range []string{"own", "theirs"} {
		pid := d.taskPid(name)
		d.eventually("the program of "+name+" waits", 20*time.Second, func() bool {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
			waits[name], _ = strconv.Atoi(strings.TrimSpace(string(text)))
			return waits[name] != 0
		})
	}
	d.kill()
	for _, pid := range waits {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	d.start()
	for _, name := range []string{"own", "theirs"} {
		want := "STOPPED"
		if name == "theirs" && !d.copies() {
			want = ""
		}
		d.eventually(name+" is "+want, 20*time.Second, func() bool { return d.status(name) == want })
		if _, said, code := d.ctrAll("", "task", "rm", name); want != "" && (code != 0 || !strings.Contains(said, "exit code 3")) {
			t.Errorf("%s: status %d: %q; want that it has ended with 3", name, code, said)
		}
		d.remove(name)
	}
	_ = os.Remove(filepath.Join("/run/containerd/runc", d.namespace())) // runc.v2 leaves it
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

// TestGroupKilled: a group outlives containerd, and ends with its shim, all of it; its
// names can be used again.
func TestGroupKilled(t *testing.T) {
	d := newDaemon(t, "native")
	members, pids := []string{"p0", "p1"}, map[string]int{}
	start := func() int {
		t.Helper()
		for _, id := range members {
			d.must(d.run([]string{"-d", "--annotation", "io.kubernetes.cri.sandbox-id=pod"}, id, "sleep", "1000")...)
			pids[id] = d.taskPid(id)
		}
		shims := d.shims()
		if len(shims) != 1 {
			t.Fatalf("shims %v; want one", shims)
		}
		return shims[0]
	}
	works := func(exec string) {
		t.Helper()
		for _, id := range members {
			if out := d.must("task", "exec", "--exec-id", exec, id, "sh", "-c", "echo on; sleep 0.5"); out != "on\n" || d.taskPid(id) != pids[id] {
				t.Errorf("%s: exec = %q, process %d; want that %d goes on", id, out, d.taskPid(id), pids[id])
			}
		}
	}
	shim := start()
	d.kill()
	d.start()
	works("x")
	_ = unix.Kill(shim, unix.SIGKILL)
	for _, id := range members {
		d.eventually(id+" ends with the shim", 20*time.Second, func() bool { return unix.Kill(pids[id], 0) != nil && d.taskPid(id) == 0 })
		d.remove(id)
	}
	d.eventually("nothing is left of them", 20*time.Second, func() bool { return len(d.left()) == 0 })
	start()
	works("y")
	for _, id := range members {
		d.remove(id)
	}
}

// TestNoPath: the shim finds nothing by PATH. containerd takes its program by its path.
func TestNoPath(t *testing.T) {
	d := prepareDaemon(t, "native")
	t.Setenv("PATH", "/nonexistent")
	d.begin()
	worksHere(t, d)
}

// TestNoControlGroup: where no control group is mounted containers are paused, and tell
// what they use, all the same.
func TestNoControlGroup(t *testing.T) {
	d := prepareDaemon(t, "native")
	d.wrap = []string{"/usr/bin/unshare", "--mount", "/bin/sh", "-c", `umount -R /sys/fs/cgroup && exec "$@"`, "sh"}
	d.begin()
	worksHere(t, d)
}

// worksHere has a container do what users ask of one.
func worksHere(t *testing.T, d *daemon) {
	t.Helper()
	d.must(d.run([]string{"-d"}, "a", "sleep", "1000")...)
	if out := d.must("task", "exec", "--exec-id", "x", "a", "sh", "-c", "echo on; sleep 0.5"); out != "on\n" {
		t.Errorf("exec = %q", out)
	}
	d.must("task", "pause", "a")
	d.must("task", "resume", "a")
	if out := d.must("task", "metrics", "a"); !strings.Contains(out, "pids.current") {
		t.Errorf("metrics = %q", out)
	}
	for _, pid := range d.shims() {
		_ = unix.Kill(pid, unix.SIGUSR1)
	}
	d.eventually("the shim says what its goroutines do", 20*time.Second, func() bool {
		log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
		return bytes.Contains(log, []byte("dumpOnSignal"))
	})
	if d.taskPid("a") == 0 {
		t.Error("SIGUSR1 has ended the container")
	}
	d.must("task", "kill", "--signal", "KILL", "a")
	d.remove("a")
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
