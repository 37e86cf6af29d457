package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// tree makes files ("f"), directories ("d/") and links ("l -> target").
func tree(t *testing.T, entries ...string) rootDir {
	t.Helper()
	dir := t.TempDir()
	for _, e := range entries {
		name, target, link := strings.Cut(e, " -> ")
		p := filepath.Join(dir, name)
		var err error
		switch {
		case link:
			err = os.Symlink(target, p)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o755)
		default:
			err = os.WriteFile(p, []byte(name), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r, err := openRootDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

func TestPathsStayInRoot(t *testing.T) {
	r := tree(t, "a/", "a/b/", "a/b/f", "g", "abs -> /a/b", "rel -> a/b", "up -> ../../../../a", "etc -> /etc",
		"loop -> loop", "chain -> abs", "a/b/back -> ../../g", "dang -> /nope/x")
	for _, c := range []struct {
		path, want string // want is the file's content, or the error's text
	}{
		{"/a/b/f", "a/b/f"},
		{"a/b/f", "a/b/f"},
		{"/abs/f", "a/b/f"},
		{"/rel/f", "a/b/f"},
		{"/up/b/f", "a/b/f"},
		{"/chain/f", "a/b/f"},
		{"/../../g", "g"},
		{"/a/../g", "g"},
		{"/abs/../../../g", "g"},
		{"/a/b/back", "g"},
		{"/etc/passwd", "too many levels"},
		{"/loop", "too many levels"},
		{"/loop/x", "too many levels"},
		{"/dang", "no such file"},
		{"/g/x", "not a directory"},
	} {
		got := ""
		fd, err := r.openAt(c.path, unix.O_RDONLY, 0)
		if err != nil {
			got = err.Error()
		} else {
			buf := make([]byte, 64)
			n, _ := unix.Read(fd, buf)
			got = string(buf[:n])
			closeFD(fd)
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("openAt(%s) = %q; want %q", c.path, got, c.want)
		}
	}
}

func TestMissingDirectoriesAreMade(t *testing.T) {
	r := tree(t, "a/", "link -> /a/new", "out -> /../../x")
	for _, p := range []string{"/a/1/2", "/link/3", "/out/4"} {
		fd, err := r.openDirAt(p, true)
		if err != nil {
			t.Errorf("openDirAt(%s) = %v", p, err)
		}
		closeFD(fd)
	}
	for _, p := range []string{"/a/1/2", "/a/new/3", "/x/4"} {
		if _, err := r.statAt(p); err != nil {
			t.Errorf("%s was not made inside the root: %v", p, err)
		}
	}
	fd, err := r.makeFileAt("/a/new/dir/file", unix.O_PATH)
	if err != nil {
		t.Errorf("makeFileAt = %v", err)
	}
	closeFD(fd)
	if _, err := r.openDirAt("/a/none", false); !errors.Is(err, unix.ENOENT) {
		t.Errorf("openDirAt without create = %v; want ENOENT", err)
	}
}

func TestLookExec(t *testing.T) {
	r := tree(t, "bin/", "bin/prog", "bin/data", "bin/dir/", "usr -> /bin", "abs -> /bin/prog")
	if err := unix.Fchmodat(r.fd, "bin/data", 0o644, 0); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=relative:/none:/usr"}
	for _, c := range []struct{ name, cwd, want string }{
		{"prog", "/", ""},
		{"/bin/prog", "/", ""},
		{"/usr/prog", "/", ""},
		{"/abs", "/", ""},
		{"./prog", "/bin", ""},
		{"nope", "/", `exec: "nope": executable file not found in $PATH`},
		{"/nope", "/", `exec: "/nope": no such file or directory`},
		{"data", "/", `exec: "data": permission denied`},
		{"/bin/dir", "/", `exec: "/bin/dir": permission denied`},
		{"", "/", "process.args[0] is empty"},
	} {
		err := r.lookExec(c.name, c.cwd, env)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("lookExec(%q) = %v; want %q", c.name, err, c.want)
		}
	}
}

func TestValidateID(t *testing.T) {
	for _, id := range []string{"a", "A-b_c.d+e", "0", strings.Repeat("f", 64), ".x"} {
		if err := ValidateID(id); err != nil {
			t.Errorf("ValidateID(%q) = %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", "a\x00", "ä", "@cells", "a b", strings.Repeat("f", 256)} {
		if ValidateID(id) == nil {
			t.Errorf("ValidateID(%q) = nil; want an error", id)
		}
	}
	if err := ValidateID("kä"); err == nil || !strings.Contains(err.Error(), "'ä'") {
		t.Errorf("ValidateID(kä) = %v; want the character named", err)
	}
}

func FuzzCellName(f *testing.F) {
	f.Add("/run/runcell", "web")
	f.Add("/x", strings.Repeat("a+", 100))
	f.Fuzz(func(t *testing.T, root, id string) {
		if ValidateID(id) != nil {
			return
		}
		name := cellName(root, id)
		if len(name) > kmod.MaxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
			t.Errorf("cellName(%q, %q) = %q", root, id, name)
		}
		if cellName(root+"x", id) == name || cellName(root, id+"x") == name {
			t.Errorf("cellName(%q, %q) is not unique", root, id)
		}
	})
}

func FuzzParseSignal(f *testing.F) {
	for _, s := range []string{"TERM", "SIGKILL", "9", "-1", "65", "", "sigusr1", "999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if sig, err := ParseSignal(s); err == nil && (sig < 0 || sig > maxSignal) {
			t.Errorf("ParseSignal(%q) = %d", s, sig)
		}
	})
}

func TestParseSignal(t *testing.T) {
	for s, want := range map[string]syscall.Signal{"": 15, "TERM": 15, "sigterm": 15, "SIGKILL": 9, "9": 9, "0": 0, "34": 34, "HUP": 1} {
		if got, err := ParseSignal(s); got != want || err != nil {
			t.Errorf("ParseSignal(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"NOPE", "-1", "65", "SIG", "9x"} {
		if got, err := ParseSignal(s); err == nil {
			t.Errorf("ParseSignal(%q) = %d; want an error", s, got)
		}
	}
}

func TestRollbackGoesBackwards(t *testing.T) {
	var order []string
	tx := &txn{}
	for _, n := range []string{"one", "two", "three"} {
		tx.did(n, func() error { order = append(order, n); return errors.New(n + " failed") })
	}
	err := tx.rollback()
	if got := strings.Join(order, " "); got != "three two one" {
		t.Errorf("undo order = %s", got)
	}
	if err == nil || !strings.Contains(err.Error(), "one failed") || !strings.Contains(err.Error(), "three failed") {
		t.Errorf("rollback = %v; want every failure", err)
	}
}

func TestLockIsExclusiveAndSurvivesRemoval(t *testing.T) {
	r := New(Options{Root: t.TempDir()})
	c, err := r.newContainer(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.newContainer(t.Context(), "a"); !errors.Is(err, ErrExist) {
		t.Errorf("second newContainer = %v; want ErrExist", err)
	}
	got := make(chan error)
	go func() {
		_, err := r.loadLocked("a")
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("loadLocked did not wait for the lock: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := c.remove(); err != nil {
		t.Fatal(err)
	}
	c.release()
	if err := <-got; !errors.Is(err, ErrNotExist) {
		t.Errorf("loadLocked of a removed container = %v; want ErrNotExist", err)
	}
}

func TestPidReuseIsNotTheContainer(t *testing.T) {
	start, ok := startTime(os.Getpid())
	if !ok || !alive(os.Getpid(), start) {
		t.Fatal("this process does not live")
	}
	if alive(os.Getpid(), start+1) {
		t.Error("a process with another start time counts as the container's")
	}
	if err := signalProcess(os.Getpid(), start+1, 0); !errors.Is(err, errGone) {
		t.Errorf("signal to a reused pid = %v; want errGone", err)
	}
}

func TestPidFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "pid")
	// A leftover of a killed command does not stop the next one.
	if err := os.WriteFile(filepath.Join(filepath.Dir(p), ".pid.new"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePidFile(p, 4711); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(p); string(b) != "4711" {
		t.Errorf("pid file = %q, %v; want digits and no newline", b, err)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	want := record{
		ID: "a", OCIVersion: "1.3.0", Phase: Created, Bundle: "/b", Rootfs: "/b/r", Created: time.Now().UTC().Round(0),
		Owner: "root", Annotations: map[string]string{"k": "v\n\"ü"}, Cell: 7, Pid: 8, PidStart: 1 << 60, Paused: true,
		Steps: []string{"one"}, Mounts: []string{"/m"},
	}
	file := filepath.Join(t.TempDir(), "state.json")
	if err := writeJSON(replaceSmall, file, want); err != nil {
		t.Fatal(err)
	}
	var got record
	if err := readJSON(file, &got); err != nil || !reflect.DeepEqual(got, want) {
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
		var r record
		_ = readJSON(file, &r) // an error or a record, never a panic
	})
}
