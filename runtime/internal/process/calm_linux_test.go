package process

import (
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func slackOf(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/timerslack_ns")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// firstThread is the one whose number comes next to the process's.
func firstThread(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	first := 1 << 30
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil && tid > os.Getpid() {
			first = min(first, tid)
		}
	}
	return first
}

// The watcher is slow, and no other thread: neither the main one nor one that
// makes processes, whoever has made it.
func TestCalm(t *testing.T) {
	own := slackOf(t, os.Getpid())
	Calm()
	tid := watcher()
	if want := firstThread(t); tid != want && want <= os.Getpid()+64 {
		t.Errorf("the watcher is %d; want %d, the first thread", tid, want)
	}
	if tid == 0 { // on a machine that makes many processes
		if ordinarySlack != 0 {
			t.Errorf("the slack of no thread was changed, but children get %d", ordinarySlack)
		}
		return
	}
	if got := slackOf(t, tid); got != watcherSlack {
		t.Errorf("the watcher's slack is %d; want %d", got, watcherSlack)
	}
	if got := slackOf(t, os.Getpid()); got != own {
		t.Errorf("the main thread's slack is %d; want %d as before", got, own)
	}
	made := 0
	err := OnThread(func() error {
		made = slackOf(t, unix.Gettid())
		setSlack(watcherSlack) // as if the watcher had made it
		forgetSlack()
		if got := slackOf(t, unix.Gettid()); got != own {
			t.Errorf("slack of a thread that the watcher has made: %d; want %d", got, own)
		}
		return nil
	})
	if err != nil || made != own {
		t.Errorf("slack of a thread that makes processes: %d, %v; want %d", made, err, own)
	}
}

// Who is made by another runcell's watcher does not take its slack for the
// caller's.
func TestCalmOfAnothersChild(t *testing.T) {
	before := ordinarySlack
	defer func() { ordinarySlack = before }()
	done := make(chan int)
	go func() {
		goruntime.LockOSThread() // and never unlocked
		setSlack(watcherSlack)
		Calm()
		done <- slackOf(t, unix.Gettid())
	}()
	if got := <-done; got != defaultSlack || watcher() != 0 && ordinarySlack != defaultSlack {
		t.Errorf("slack is %d, that of children %d; want %d", got, ordinarySlack, defaultSlack)
	}
}
