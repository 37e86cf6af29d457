package state

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

func TestRecordRoundTrip(t *testing.T) {
	want := Record{
		ID: "a", OCIVersion: "1.3.0", Phase: Created, Bundle: "/b", Rootfs: "/b/r", Created: time.Now().UTC().Round(0),
		Owner: "root", Annotations: map[string]string{"k": "v\n\"ü"}, Cell: 7, Pid: 8, PidStart: 1 << 60, Paused: true,
		NoPorts: true, Mounts: []string{"/m"},
	}
	file := filepath.Join(t.TempDir(), "state.json")
	if err := sys.WriteJSON(sys.ReplaceFile, file, want); err != nil {
		t.Fatal(err)
	}
	var got Record
	if err := sys.ReadJSON(file, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("record came back as %+v, %v; want %+v", got, err, want)
	}
}

func FuzzReadRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a","pid":1,"created":"2026-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var r Record
		_ = sys.ReadJSON(file, &r) // an error or a record, never a panic
	})
}

// A container is found by what Save left, under one name after the other, and
// its Plan beside it.
func TestContainerIsFoundAgain(t *testing.T) {
	root := t.TempDir()
	c := created(t, root, "a")
	for _, phase := range []Status{Creating, Created} {
		c.ID, c.Phase, c.Pid, c.Cell = "a", phase, 42, 1
		if err := c.SavePlan(&oci.Plan{OCIVersion: "1.2.3"}); err != nil {
			t.Fatal(err)
		}
		if err := c.Save(); err != nil {
			t.Fatal(err)
		}
		got, err := Load(root, "a")
		if err != nil || got.Phase != phase || got.Pid != 42 {
			t.Errorf("Load = %+v, %v; want it %s", got, err, phase)
			continue
		}
		if p, err := got.Plan(); err != nil || p.OCIVersion != "1.2.3" {
			t.Errorf("Plan = %+v, %v", p, err)
		}
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(c.Dir); !os.IsNotExist(err) {
		t.Errorf("after Remove: %v", err)
	}
}

// What is no container's directory is not listed.
func TestIDs(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"b", "a", "@cells"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ids, err := IDs(root); err != nil || !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("IDs = %q, %v; want a and b", ids, err)
	}
	if ids, err := IDs(filepath.Join(root, "none")); err != nil || len(ids) > 0 {
		t.Errorf("IDs without a state root = %q, %v", ids, err)
	}
}

// The status is the record and what became of the process, never one alone.
func TestStatus(t *testing.T) {
	c := created(t, t.TempDir(), "a")
	self := os.Getpid()
	start, ok, err := sys.StartTime(self)
	if !ok || err != nil {
		t.Fatalf("this process does not live: %v", err)
	}
	set := func(phase Status, start uint64, paused, fifo bool) {
		t.Helper()
		c.Phase, c.Pid, c.PidStart, c.Paused = phase, self, start, paused
		if err := sys.Remove(c.Path(FifoFile)); err != nil {
			t.Fatal(err)
		}
		if fifo {
			if err := sys.WriteFile(c.Path(FifoFile), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range []struct {
		phase        Status
		start        uint64
		paused, fifo bool
		want         Status
	}{
		{Creating, start, false, true, Creating}, // the lock is held
		{Created, start, false, true, Created},
		{Created, start, false, false, Running},
		{Created, start, true, false, Paused},
		{Created, start + 1, true, false, Stopped}, // the pid is another's
		{Created, start + 1, false, true, Stopped},
	} {
		set(s.phase, s.start, s.paused, s.fifo)
		got, err := c.State()
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != s.want || (got.Pid == 0) != (s.want == Stopped) {
			t.Errorf("%+v: state = %+v; want %s", s, got, s.want)
		}
	}
	c.Release()
	c.Phase = Creating
	if s, err := c.Status(); s != Stopped || err != nil {
		t.Errorf("a container whose creator is gone is %s, %v", s, err)
	}
}

// Who can't look says so, and nothing that a caller would act on: without a
// directory to look into, a process that lives is neither created nor running.
func TestStatusUnknown(t *testing.T) {
	c := created(t, t.TempDir(), "a")
	start, _, err := sys.StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	c.Phase, c.Pid, c.PidStart = Created, os.Getpid(), start
	c.Release()
	c.Dir += "/" + strings.Repeat("x", 300) // a name that is too long is no answer
	if s, err := c.Status(); err == nil {
		t.Errorf("Status = %q; want an error", s)
	}
	c.Phase = Creating
	if s, err := c.Status(); err == nil {
		t.Errorf("Status while it is created = %q; want an error", s)
	}
}

// A record that Save has not written for this container is none: it would make a
// container that runs look stopped, or be another's.
func TestForeignRecordIsRefused(t *testing.T) {
	root := t.TempDir()
	c := created(t, root, "a")
	for _, text := range []string{
		"null", "{}",
		`{"id":"b","phase":"created","pid":42,"cell":1}`,
		`{"id":"a","phase":"running","pid":42,"cell":1}`,
		`{"id":"a","phase":"created","pid":-1,"cell":1}`,
		`{"id":"a","phase":"created","pid":42}`,
		`{"id":"a","phase":"created","cell":1}`,
	} {
		if err := os.WriteFile(c.Path(stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(root, "a"); err == nil || !strings.Contains(err.Error(), "delete --force") {
			t.Errorf("Load of %s = %v; want an error with the way out", text, err)
		}
	}
}

// A directory or a socket in a file's place goes with the container.
func TestRemoveOfOddFiles(t *testing.T) {
	c := created(t, t.TempDir(), "a")
	if err := os.MkdirAll(c.Path(stateFile+"/deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", c.Path(planFile))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := c.Plan(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("Plan from a socket = %v; want an error that says what it is", err)
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(c.Dir); !os.IsNotExist(err) {
		t.Errorf("after Remove: %v", err)
	}
}

// The names of a child's steps come by another command, and where they can't be
// read there are none: an error is told without them, too.
func TestStepsForAnotherCommand(t *testing.T) {
	root := t.TempDir()
	c := created(t, root, "a")
	c.ID, c.Phase, c.Pid, c.Cell = "a", Created, 42, 1
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	names := []string{"enter root", "change to process.cwd /a|b\n\"c\""}
	again := func() []string {
		t.Helper()
		c, err := Load(root, "a")
		if err != nil {
			t.Fatal(err)
		}
		return c.Steps()
	}
	if got := again(); len(got) > 0 {
		t.Errorf("nobody has saved the steps %q", got)
	}
	if c.SetSteps(names); !slices.Equal(c.Steps(), names) {
		t.Errorf("Steps = %q; want %q", c.Steps(), names)
	}
	if err := c.SaveSteps(); err != nil || !slices.Equal(again(), names) {
		t.Errorf("Steps of another command = %q, %v; want %q", again(), err, names)
	}
	if err := os.WriteFile(c.Path(stepsFile), []byte(`["enter`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := again(); len(got) > 0 {
		t.Errorf("Steps of half a file = %q", got)
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
}

// A record of the version before, which had the names in it, is read.
func TestRecordWithSteps(t *testing.T) {
	root := t.TempDir()
	c := created(t, root, "a")
	old := `{"id":"a","phase":"created","cell":1,"pid":42,"steps":["enter root"]}`
	if err := os.WriteFile(c.Path(stateFile), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(root, "a")
	if err != nil || got.Pid != 42 || got.NoPorts || len(got.Steps()) > 0 {
		t.Errorf("Load = %+v, %v, steps %q", got, err, got.Steps())
	}
}
