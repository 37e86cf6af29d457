package emulator

import (
	"os"
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A program is loaded while the Go runtime, or somebody else, interrupts the thread.
func TestLoadWhileInterrupted(t *testing.T) {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	var over atomic.Bool
	me, ended := unix.Gettid(), make(chan struct{})
	go func() {
		defer close(ended)
		for !over.Load() {
			_ = unix.Tgkill(os.Getpid(), me, unix.SIGURG)
		}
	}()
	defer func() {
		over.Store(true)
		<-ended
	}()
	rules, err := newHash("rules", ruleKeySize, 4, maxRules)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(rules)
	h := hooks[0]
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		fd, err := loadBind(h.name, h.attach, h.program, rules)
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd)
	}
}
