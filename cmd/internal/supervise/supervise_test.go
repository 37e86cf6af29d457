package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestParsePolicy(t *testing.T) {
	for s, want := range map[string]Policy{
		"": {Never, 0}, "no": {Never, 0}, "always": {Always, 0}, "on-failure": {OnFailure, 0}, "on-failure:3": {OnFailure, 3},
	} {
		if got, err := ParsePolicy(s); err != nil || got != want {
			t.Errorf("ParsePolicy(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"yes", "on-failure:", "on-failure:0", "on-failure:-1", "on-failure:x", "always:3", "no:1", "unless-stopped", "Always"} {
		if got, err := ParsePolicy(s); err == nil {
			t.Errorf("ParsePolicy(%q) = %v; want an error", s, got)
		}
	}
}

func TestNextLife(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy Policy
		failed []bool
		lived  []time.Duration
		want   string // the pauses; "." = no other life
	}{
		{"no", Policy{When: Never}, []bool{true}, []time.Duration{0}, "."},
		{"success", Policy{When: OnFailure}, []bool{false}, []time.Duration{0}, "."},
		{"always", Policy{When: Always}, []bool{false, false, false}, []time.Duration{0, 0, 0}, "100ms 200ms 400ms"},
		{"limit", Policy{OnFailure, 2}, []bool{true, true, true}, []time.Duration{0, 0, 0}, "100ms 200ms ."},
		{"a long life begins anew", Policy{OnFailure, 2}, []bool{true, true, true, true}, []time.Duration{0, 0, settled, 0}, "100ms 200ms 100ms 200ms"},
		{"longest", Policy{When: Always}, make([]bool, 12), make([]time.Duration, 12), "100ms 200ms 400ms 800ms 1.6s 3.2s 6.4s 12.8s 25.6s 51.2s 1m0s 1m0s"},
	} {
		s := series{Policy: c.policy}
		var got []string
		for i, failed := range c.failed {
			pause, again := s.next(failed, c.lived[i])
			if !again {
				got = append(got, ".")
				break
			}
			got = append(got, pause.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q; want %q", c.name, got, c.want)
		}
	}
}

// deleted is a life that does not begin since somebody has deleted the container.
const deleted = -2

// loop runs lives that end with these statuses; -1 is one that can't begin.
func loop(t *testing.T, p Policy, over func(life int) bool, lives ...int) (said []string, status int, err error) {
	t.Helper()
	n := 0
	status, err = Loop{
		Policy: p,
		Once: func(context.Context) (int, error) {
			n++
			if n > len(lives) {
				t.Fatalf("life %d begins", n)
			}
			if lives[n-1] == deleted {
				return 1, fmt.Errorf("web: %w", ErrOver)
			}
			if lives[n-1] < 0 {
				return 1, errors.New("port taken")
			}
			return lives[n-1], nil
		},
		Over:  func() (bool, error) { return over != nil && over(n), nil },
		Say:   func(line string) { said = append(said, line) },
		since: func(time.Time) time.Duration { return time.Second },
		after: func(time.Duration) <-chan time.Time { c := make(chan time.Time, 1); c <- time.Time{}; return c },
	}.Run(t.Context())
	return said, status, err
}

func TestLoop(t *testing.T) {
	onFailure := Policy{When: OnFailure}
	for _, c := range []struct {
		name   string
		policy Policy
		over   func(int) bool
		lives  []int
		status int
		fails  bool
		said   string
	}{
		{"no", Policy{When: Never}, nil, []int{0}, 0, false, ""},
		{"the first can't begin", Policy{When: Always}, nil, []int{-1}, 1, true, ""},
		{"twice", onFailure, nil, []int{3, 139, 0}, 0, false, "ended with status 3 after 1s; it is started again in 100ms|ended with status 139 (SIGSEGV) after 1s; it is started again in 200ms"},
		{"a later one can't begin", onFailure, nil, []int{3, -1, 0}, 0, false, "ended with status 3 after 1s; it is started again in 100ms|failed: port taken after 1s; it is started again in 200ms"},
		{"limit", Policy{OnFailure, 1}, nil, []int{3, 4}, 4, false, "ended with status 3 after 1s; it is started again in 100ms (1 of 1)|ended with status 4 after 1s; it was started again 1 times, and is not any more"},
		{"deleted at the last moment", Policy{When: Always}, nil, []int{137, deleted}, 137, false, "ended with status 137 (SIGKILL) after 1s; it is started again in 100ms|is not started again, as was asked for"},
		{"asked", Policy{When: Always}, func(life int) bool { return life == 2 }, []int{0, 143}, 143, false, "ended with status 0 after 1s; it is started again in 100ms|ended with status 143 (SIGTERM), as was asked for"},
	} {
		said, status, err := loop(t, c.policy, c.over, c.lives...)
		got := strings.Join(said, "|")
		if c.name == "twice" || c.name == "a later one can't begin" { // and the end itself
			got = strings.TrimSuffix(got, "|ended with status 0 after 1s")
		}
		if got != c.said || status != c.status || (err != nil) != c.fails {
			t.Errorf("%s: %q, %d, %v; want %q, %d", c.name, got, status, err, c.said, c.status)
		}
	}
}

// Nothing is started after a stop that came in the pause.
func TestStopInThePause(t *testing.T) {
	asked := 0
	said, _, _ := loop(t, Policy{When: Always}, func(int) bool { asked++; return asked == 2 }, 1)
	if len(said) != 2 || !strings.Contains(said[1], "not started again") {
		t.Errorf("said %q", said)
	}
}

// A file that is moved away is let go of, with or without a signal, and no line
// is lost or cut in two.
func TestFileIsRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	sink, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLog("web", sink)
	if err != nil {
		t.Fatal(err)
	}
	write := func(s, in string) {
		t.Helper()
		if _, err := l.In.WriteString(s); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			if b, _ := os.ReadFile(in); strings.HasSuffix(string(b), s) {
				return
			}
			if time.Since(began) > 10*time.Second {
				t.Fatalf("%q does not come to %s", s, in)
			}
		}
	}
	write("one\n", path)
	if err := os.Rename(path, path+".0"); err != nil {
		t.Fatal(err)
	}
	write("two\n", path)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o640); err != nil { // as newsyslog does
		t.Fatal(err)
	}
	l.Reopen()
	write("three\n", path)
	l.Say("ended")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{path + ".0": "one\n", path + ".1": "two\n"} {
		if b, err := os.ReadFile(file); string(b) != want {
			t.Errorf("%s has %q, %v; want %q", file, b, err, want)
		}
	}
	b, err := os.ReadFile(path)
	lines := strings.Split(string(b), "\n")
	if err != nil || len(lines) != 3 || lines[0] != "three" || !strings.HasPrefix(lines[1], "runcell: ") || !strings.HasSuffix(lines[1], "Z web ended") {
		t.Errorf("the log has %q, %v", b, err)
	}
}

// Who was handed the program's end keeps the log from its end as little as who
// never stops to write; what the program printed is there.
func TestLogEndsWithTheProgram(t *testing.T) {
	for _, c := range []struct {
		name string
		does func(end int, over <-chan struct{})
	}{
		{"holds it", func(_ int, over <-chan struct{}) { <-over }},
		{"writes on", func(end int, over <-chan struct{}) {
			for {
				select {
				case <-over:
					return
				default:
					_, _ = unix.Write(end, []byte("more\n"))
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			sink, err := OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			l, err := NewLog("web", sink)
			if err != nil {
				t.Fatal(err)
			}
			end, err := unix.Dup(int(l.In.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			long := strings.Repeat("x", 1000)
			for range 40 {
				if _, err := l.In.WriteString(long + "\n"); err != nil {
					t.Fatal(err)
				}
			}
			over, gone := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(gone)
				c.does(end, over)
			}()
			closed := make(chan error, 1)
			go func() { closed <- l.Close() }()
			select {
			case err := <-closed:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(time.Minute):
				t.Error("the log does not end")
			}
			close(over)
			<-gone
			_ = unix.Close(end)
			if b, err := os.ReadFile(path); strings.Count(string(b), long) != 40 {
				t.Errorf("%d of 40 lines are in the log, %v", strings.Count(string(b), long), err)
			}
		})
	}
}

// What is no file is refused at once: nobody reads the FIFO, and the link's target
// is somebody else's.
func TestWhatIsNoLog(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink(target, dir+"/link"), os.Symlink(dir+"/nothing", dir+"/dangling"), unix.Mkfifo(dir+"/fifo", 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, dir + "/link", dir + "/dangling", dir + "/fifo", "/dev/full", "/dev/ptmx"} {
		if _, err := OpenFile(path); !errors.Is(err, errNoFile) || !strings.Contains(err.Error(), path) {
			t.Errorf("OpenFile(%s) = %v; want that it is no file", path, err)
		}
	}
	if _, err := os.Stat(dir + "/nothing"); err == nil {
		t.Error("a link's target was made")
	}
	s, err := OpenFile(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("x\n")); err != nil {
		t.Error(err)
	}
	_ = s.Close()

	// One that becomes a FIFO is no reason to wait, either.
	path := filepath.Join(dir, "log")
	if s, err = OpenFile(path); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("x\n")); !errors.Is(err, errNoFile) {
		t.Errorf("a write to what is a FIFO by now = %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("y\n")); err != nil {
		t.Error(err)
	}
	_ = s.Close()
}

// broken is a log that can't be written for a while.
type broken struct {
	bytes.Buffer
	full bool
}

func (b *broken) Write(p []byte) (int, error) {
	if b.full {
		return 0, unix.ENOSPC
	}
	return b.Buffer.Write(p)
}
func (b *broken) Reopen()      {}
func (b *broken) Close() error { return nil }

// A program does not wait for a full disk, and what was lost is told.
func TestFullDisk(t *testing.T) {
	b := &broken{full: true}
	l := &Log{sink: b, name: "web"}
	lost := l.write([]byte("abc\n"), 0)
	lost = l.write([]byte("de\n"), lost)
	b.full = false
	lost = l.write([]byte("f\n"), lost)
	if want := "\nruncell: web 7 bytes were lost here: the log could not be written\nf\n"; b.String() != want || lost != 0 {
		t.Errorf("the log has %q, %d lost; want %q", b.String(), lost, want)
	}
}

func TestSyslog(t *testing.T) {
	for s, want := range map[string]Syslog{"daemon.info": {3<<3 | 6, "web"}, "local7.err,db": {23<<3 | 3, "db"}} {
		if got, err := ParseSyslog(s, "web"); err != nil || got != want {
			t.Errorf("ParseSyslog(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "daemon", "daemon.", "daemon.loud", "nobody.info", "daemon.info,", "daemon.info,a b", "daemon.info,a:"} {
		if _, err := ParseSyslog(s, "web"); err == nil {
			t.Errorf("ParseSyslog(%q) = nil; want an error", s)
		}
	}
}

// Lines come to syslogd one by one, long ones in parts, and a syslogd that was
// started anew gets the next one.
func TestSyslogMessages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	old := syslogSockets
	syslogSockets = []string{path}
	defer func() { syslogSockets = old }()
	listen := func() int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
		}
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	read := func(fd int) string {
		buf := make([]byte, 4096)
		n, err := unix.Read(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(buf[:n]), " web: ")
		return string(buf[:4]) + text
	}
	y, err := ParseSyslog("daemon.info", "web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := y.Open(); err == nil {
		t.Error("without syslogd Open = nil; want an error")
	}
	fd := listen()
	s, err := y.Open()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", longestLine+5)
	for _, part := range []string{"on", "e\n\ntwo\n", long + "\n", "last"} {
		if _, err := s.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"one", "two", long[:longestLine], "xxxxx"} {
		if got := read(fd); got != "<30>"+want {
			t.Errorf("syslogd got %q; want %q", got, want)
		}
	}
	unix.Close(fd)
	os.Remove(path)
	fd = listen()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(fd); got != "<30>last" {
		t.Errorf("the new syslogd got %q", got)
	}
	unix.Close(fd)
}

// A syslogd that is there and takes nothing keeps neither a program's output nor its
// end; what was lost is told once it goes on.
func TestSyslogHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	old := syslogSockets
	syslogSockets = []string{path}
	defer func() { syslogSockets = old }()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err == nil {
		defer unix.Close(fd)
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	y, err2 := ParseSyslog("daemon.info", "web")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	s, err := y.Open()
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLog("web", s)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.WriteString(l.In, strings.Repeat("many lines of a program\n", 100_000)) // more than sockets and pipes hold
		ended <- errors.Join(err, drain(fd, "many lines"), line(l, "more\n"), drain(fd, "bytes were lost here"), l.Close())
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the program waits for syslogd")
	}
}

func line(l *Log, text string) error {
	_, err := io.WriteString(l.In, text)
	return err
}

// drain takes what is there, and what comes until a message has the text.
func drain(fd int, text string) error {
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 && strings.Contains(string(buf[:n]), text) {
			return nil
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("on-failure:3")
	f.Add("daemon.info,web")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParsePolicy(s); err == nil && (p.Limit < 0 || p.Limit > 0 && p.When != OnFailure) {
			t.Errorf("ParsePolicy(%q) = %v", s, p)
		}
		if y, err := ParseSyslog(s, "x"); err == nil && (y.priority < 0 || y.priority > 191 || strings.ContainsAny(y.tag, " :[\n")) {
			t.Errorf("ParseSyslog(%q) = %v", s, y)
		}
	})
}
