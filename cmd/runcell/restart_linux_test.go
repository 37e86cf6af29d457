package main

// A program that is kept going by the runcell that waits for it.

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRestart(t *testing.T) {
	w := newWorld(t)
	run := func(log string, flags ...string) []string {
		return append([]string{"run", "--image", "web:1", "--store", w.dir + "/store", "--log-file", filepath.Join(w.dir, log)}, flags...)
	}
	lives := func(log string) int { return strings.Count(w.read(log), "begins\n") }

	t.Run("limit", func(t *testing.T) {
		// What it printed last stands before the reason, and the root lives on.
		out, status := w.run(run("limit", "--restart", "on-failure:2", "a", "--", "-c", "echo begins; echo x >>/n; cat /n; echo oh >&2; exit 3")...)
		got := w.read("limit")
		if status != 3 || out != "" || lives("limit") != 3 || !strings.Contains(got, "x\nx\nx\noh\nruncell: ") ||
			!strings.Contains(got, "a ended with status 3 after ") || !strings.Contains(got, "it was started again 2 times") {
			t.Errorf("status %d, %q, the log:\n%s", status, out, got)
		}
	})
	t.Run("success", func(t *testing.T) {
		if _, status := w.run(run("success", "--restart", "on-failure", "a", "--", "-c", "echo begins")...); status != 0 || lives("success") != 1 || !strings.HasSuffix(w.read("success"), "s\n") {
			t.Errorf("status %d, the log %q; want one life", status, w.read("success"))
		}
	})
	t.Run("killed", func(t *testing.T) {
		cmd, _ := w.begin(run("killed", "--restart", "always", "a", "--", "-c", "trap 'echo bye; exit 0' TERM; echo begins; while :; do read x; sleep 0.1; done")...)
		w.until("it runs", func() bool { return lives("killed") == 1 })
		w.ok("kill", "a", "KILL")
		w.until("it runs again", func() bool { return lives("killed") == 2 })
		// The log is moved; one file has the old lines, the other the new.
		if err := os.Rename(w.dir+"/killed", w.dir+"/killed.0"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		w.ok("kill", "a", "KILL")
		w.until("it runs with a new log", func() bool { return lives("killed") == 1 })
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if status, got := w.ended(cmd), w.read("killed"); status != 0 || !strings.HasSuffix(got, " a ended with status 0, as was asked for\n") || !strings.Contains(got, "bye\n") {
			t.Errorf("after TERM status %d, and the log:\n%s", status, got)
		}
		if got := w.read("killed.0"); strings.Count(got, "begins") != 2 || !strings.Contains(got, "137 (SIGKILL)") {
			t.Errorf("the moved log has %q", got)
		}
	})
	t.Run("stopped", func(t *testing.T) {
		// By somebody else, while it runs and in the pause before a new life.
		cmd, _ := w.begin(run("stopped", "--restart", "always", "--stop-time", "1", "a", "--", "-c", "echo begins; sleep 1000")...)
		w.until("it runs", func() bool { return lives("stopped") == 1 })
		w.ok("stop", "--time", "0", "a")
		if status := w.ended(cmd); status != 137 || lives("stopped") != 1 {
			t.Errorf("after stop status %d, %d lives", status, lives("stopped"))
		}
		cmd, _ = w.begin(run("pause", "--restart", "always", "a", "--", "-c", "echo begins; exit 1")...)
		w.until("the pauses are long", func() bool { return lives("pause") == 4 })
		w.ok("stop", "--all")
		if status := w.ended(cmd); status != 1 || !strings.Contains(w.read("pause"), "as was asked for") {
			t.Errorf("after stop in the pause status %d, the log:\n%s", status, w.read("pause"))
		}
	})
	t.Run("another's container", func(t *testing.T) {
		w.ok(run("other", "--keep", "a", "--", "-c", "exit 0")...)
		if out, status := w.run(run("again", "--restart", "always", "a")...); status != 1 || !strings.Contains(out, "exist") || !strings.Contains(w.out("list"), "stopped") {
			t.Errorf("a name that is taken: status %d, %q; want an error, and the other's container left alone", status, out)
		}
		w.ok("delete", "a")
	})
	t.Run("a terminal", func(t *testing.T) {
		if out, status := w.run("run", "-t", "--image", "web:1", "--store", w.dir+"/store", "--restart", "always", "a"); status != 1 || !strings.Contains(out, "terminal") {
			t.Errorf("with a terminal: status %d, %q", status, out)
		}
	})
	t.Run("locked", func(t *testing.T) {
		cmd, _ := w.begin(run("locked", "--lock-file", w.dir+"/lock", "a", "--", "-c", "echo begins; sleep 1000")...)
		w.until("it runs", func() bool { return lives("locked") == 1 })
		if pid, err := lockHolder(w.dir + "/lock"); err != nil || pid != cmd.Process.Pid {
			t.Errorf("the lock is %d's, %v; want %d", pid, err, cmd.Process.Pid)
		}
		// Between the lock and the number the file has that of the one before, who
		// may be anybody by now.
		for _, text := range []string{"1\n", ""} {
			if err := os.WriteFile(w.dir+"/lock", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if pid, err := lockHolder(w.dir + "/lock"); err != nil || pid != cmd.Process.Pid {
				t.Errorf("with %q in it the lock is %d's, %v; want %d", text, pid, err, cmd.Process.Pid)
			}
		}
		if out, status := w.run(run("locked2", "--lock-file", w.dir+"/lock", "b")...); status != 1 || !strings.Contains(out, "another runcell holds it") {
			t.Errorf("a second one: status %d, %q", status, out)
		}
		_ = cmd.Process.Kill()
		w.ended(cmd)
		if pid, err := lockHolder(w.dir + "/lock"); err != nil || pid != 0 {
			t.Errorf("after its death the lock is %d's, %v", pid, err)
		}
		w.ok("delete", "--force", "a")
	})
	if list, _ := filepath.Glob(w.dir + "/state/@images/*"); len(list) > 0 {
		t.Errorf("left behind: %q", list)
	}
}

// What is refused before anything is made.
func TestRestartRefused(t *testing.T) {
	for line, want := range map[string]string{
		"run --restart sometimes a":             "on-failure:N",
		"run -d --restart always a":             "runcell service",
		"run -d --log-file /x a":                "runcell service",
		"run --log-file /x --syslog a.b a":      "exclude each other",
		"run --syslog daemon a":                 "syslog.conf",
		"run --restart no --stop-time -1 a":     "--stop-time",
		"run --env A=1 a":                       "name one with --image",
		"run --bundle /b a -- ls":               "process.args",
		"run --lock-file /nonexistent/lock a":   "--lock-file",
		"create --image web --memory 5m a":      "as=BYTES",
		"create --image web -v www a":           "--volume",
		"create --image web -e = a":             "--env",
		"run --log-file /nonexistent/log/log a": "no such file",
	} {
		f := &fake{}
		if _, stderr, code := f.runcell(t, strings.Fields(line)...); code != 1 || !strings.Contains(stderr, want) || f.call != "" {
			t.Errorf("%s = %d, %q, called %q; want %q", line, code, stderr, f.call, want)
		}
	}
}

// -it works as hands type it, and what is said stands in the container.
func TestSettingsOfAnImage(t *testing.T) {
	w := newWorld(t)
	w.write("host/file", "content")
	cmd, out := w.begin("run", "-it", "--image", "web:1", "--store", w.dir+"/store", "-e", "A=b c", "-w", "/tmp", "-v", w.dir+"/host:/mnt:ro", "--user", "5:6",
		"--ulimit", "nofile=77", "--pids-limit", "9", "-p", "8080", "a", "--", "-c",
		`id; echo "$A|$TERM|$HOME|$(pwd)|$(ulimit -n)|$(cat /mnt/file)"; echo x >/mnt/x || tty`)
	if status := w.ended(cmd); status != 0 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"uid=5 gid=6", "b c|", "|/|/tmp|77|content", "Read-only", "/dev/pts/"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it printed %q; want %q", out, want)
		}
	}
}
