package runtime_test

import (
	"os"
	"strings"
	"testing"
)

// TestEndsAtOnce: a detached program that dies at once is no secret, and the
// interpreter that it misses has a name.
func TestEndsAtOnce(t *testing.T) {
	b := newBox(t)
	b.spec.Process.Args = []string{"/probe", "exit", "7"}
	r := b.run("run", "--detach", "c")
	if r.status != 0 || !strings.Contains(r.stderr, "ended at once, with exit status 7") {
		t.Errorf("run -d = %+v; want to read that the program has ended", r)
	}
	if list := b.ok("list"); !strings.Contains(list, "stopped (7)") {
		t.Errorf("list says %q; want the exit status", list)
	}
	if s := b.ok("inspect", "c"); !strings.Contains(s, `"exitStatus": 7`) {
		t.Errorf("inspect says %s; want the exit status", s)
	}
	b.ok("delete", "c")

	b.file("rootfs/script", "#!/no/such/shell -e\n", 0o755)
	b.spec.Process.Args = []string{"/script"}
	if r := b.run("run", "--detach", "c"); r.status != 1 || !strings.Contains(r.stderr, `interpreter "/no/such/shell": no such file`) {
		t.Errorf("run of a script = %+v; want the interpreter's name", r)
	}
	shell, err := os.ReadFile("/bin/bash")
	if err != nil {
		t.Fatal(err)
	}
	b.file("rootfs/bash", string(shell), 0o755)
	b.spec.Process.Args = []string{"/bash"}
	if r := b.run("run", "c"); r.status != 1 || !strings.Contains(r.stderr, `exec: "/bash": interpreter "/lib`) || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("run of a program with shared libraries = %+v; want the interpreter's name", r)
	}
	b.spec.Process.Args = []string{"/probe", "sleep"}
	if r := b.run("run", "--detach", "c"); r.status != 0 || strings.Contains(r.stderr, "ended") {
		t.Errorf("run -d of a program that stays = %+v", r)
	}
	if r := b.run("exec", "c", "/bash"); r.status != 255 || !strings.Contains(r.stderr, `interpreter "/lib`) {
		t.Errorf("exec = %+v; want the interpreter's name", r)
	}
	b.ok("delete", "--force", "c")
}
