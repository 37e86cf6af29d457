package runtime_test

// Killing runcell at any moment, not only at the points that it names.

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killsVar is the environment variable with how many commands are killed.
const killsVar = "RUNCELL_KILLS"

// TestKilledAtAnyMoment kills a command with SIGKILL after a random part of the
// time that it takes. Then state tells the truth, list works, the next command
// waits for nobody, and delete --force leaves nothing.
func TestKilledAtAnyMoment(t *testing.T) {
	kills := 24
	if text, ok := os.LookupEnv(killsVar); ok {
		var err error
		if kills, err = strconv.Atoi(text); err != nil || kills < 1 {
			t.Fatalf("%s=%q: no number from 1", killsVar, text)
		}
	}
	stories := []struct {
		before [][]string
		args   []string
	}{
		{nil, []string{"create", "c"}},
		{nil, []string{"run", "--detach", "c"}},
		{[][]string{{"create", "c"}}, []string{"start", "c"}},
		{[][]string{{"run", "--detach", "c"}}, []string{"exec", "c", "/probe", "exit", "0"}},
		{[][]string{{"run", "--detach", "c"}}, []string{"pause", "c"}},
		{[][]string{{"run", "--detach", "c"}}, []string{"kill", "c", "KILL"}},
		{[][]string{{"run", "--detach", "c"}}, []string{"delete", "--force", "c"}},
		{[][]string{{"create", "c"}}, []string{"delete", "c"}},
	}
	b := newBox(t)
	b.withHooks()
	takes := make([]time.Duration, len(stories))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range kills {
		s := stories[i%len(stories)]
		for _, a := range s.before {
			b.ok(a...)
		}
		if takes[i%len(stories)] == 0 { // the first one ends: how long it takes
			began := time.Now()
			b.ok(s.args...)
			takes[i%len(stories)] = time.Since(began)
		} else {
			b.killAfter(time.Duration(random.Int64N(int64(takes[i%len(stories)]))), s.args...)
		}
		b.truth(s.args)
		b.ok("delete", "--force", "c")
		if r := b.run("state", "c"); r.status == 0 {
			t.Fatalf("after %v was killed and delete --force: %s", s.args, r.stdout)
		}
		if left := processesOf(b.bundle); len(left) > 0 {
			t.Fatalf("after %v was killed and delete --force: %v", s.args, left)
		}
	}
}

// killAfter starts a command and kills it a while later.
func (b *box) killAfter(pause time.Duration, args ...string) {
	b.t.Helper()
	cmd := exec.Command(b.bin, append([]string{"--root", b.root}, args...)...)
	cmd.Dir = b.bundle
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(pause)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// truth compares what state and list say of the container with its process.
func (b *box) truth(after []string) {
	b.t.Helper()
	b.ok("list")
	r := b.run("state", "c")
	if r.status != 0 {
		return
	}
	var s struct {
		Status string
		Pid    int
	}
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		b.t.Fatalf("after %v was killed: %v: %s", after, err, r.stdout)
	}
	// A process that was killed may still be waited for.
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.Pid), "stat"))
	lives := err == nil && s.Pid > 0 && !bytes.Contains(stat, []byte(") Z "))
	if !lives && s.Status != "stopped" { // it may have ended between the two looks: now it has
		if r := b.run("state", "c"); !strings.Contains(r.stdout, `"stopped"`) {
			b.t.Errorf("after %v was killed: process %d has ended, and state says %s", after, s.Pid, r.stdout)
		}
		return
	}
	if want := s.Status != "stopped"; lives != want {
		b.t.Errorf("after %v was killed: state is %s, but process %d lives: %v", after, s.Status, s.Pid, lives)
	}
}
