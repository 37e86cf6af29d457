package launch

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"golang.org/x/sys/unix"
)

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
	if err := writePidFile(p, 8); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(p); string(b) != "8" {
		t.Errorf("pid file = %q, %v; want it replaced", b, err)
	}
	if err := writePidFile(filepath.Join(p, "pid"), 8); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a pid file below a file: %v", err)
	}
}

// What somebody has put in the place of the temporary file is not followed, and
// what can't be taken away is an error.
func TestPidFileFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	p, tmp, other := filepath.Join(dir, "pid"), filepath.Join(dir, ".pid.new"), filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(other, []byte("other"), 0o600), os.Symlink(other, tmp)); err != nil {
		t.Fatal(err)
	}
	if err := writePidFile(p, 4711); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(other); string(b) != "other" {
		t.Errorf("what a link led to has %q, %v", b, err)
	}
	if fi, err := os.Lstat(p); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("the pid file is %v, %v", fi, err)
	}
	if err := os.MkdirAll(tmp+"/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writePidFile(p, 4712); err == nil {
		t.Error("a directory in the way is overcome")
	}
}

// What is no file stays what it is, and whoever reads gets the number.
func TestPidFileThatIsNone(t *testing.T) {
	p := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(p, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePidFile(p, 4711); !errors.Is(err, unix.ENXIO) {
		t.Errorf("a FIFO that nobody reads: %v; want ENXIO", err)
	}
	fd, err := unix.Open(p, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := writePidFile(p, 4711); err != nil {
		t.Error(err)
	}
	var b [8]byte
	if n, err := unix.Read(fd, b[:]); err != nil || string(b[:n]) != "4711" {
		t.Errorf("read %q, %v", b[:max(n, 0)], err)
	}
	if fi, err := os.Lstat(p); err != nil || fi.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the FIFO is %v, %v", fi, err)
	}
}

func TestSockets(t *testing.T) {
	for _, c := range []struct {
		s        Sockets
		firstPid int
		ok       bool
	}{{Sockets{}, 0, true}, {Sockets{N: 1}, 0, false}, {Sockets{}, 1, true}, {Sockets{N: 1}, 1, true}} {
		if err := c.s.check(c.firstPid); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	pid := fmt.Sprintf("LISTEN_PID=%d", process.FirstPid)
	for _, c := range []struct {
		s    Sockets
		want []string
	}{
		{Sockets{}, nil},
		{Sockets{N: 2}, []string{"LISTEN_FDS=2", pid}},
		{Sockets{N: 1, Names: "a:b"}, []string{"LISTEN_FDS=1", pid, "LISTEN_FDNAMES=a:b"}},
	} {
		if got := c.s.env(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q; want %q", c.s, got, c.want)
		}
	}
	for want, c := range map[string]Caller{
		"":                                  {},
		"LISTEN_FDS=2":                      {Sockets: Sockets{N: 2}},
		"--preserve-fds 1":                  {PreserveFDs: 1},
		"LISTEN_FDS=2 and --preserve-fds 1": {Sockets: Sockets{N: 2}, PreserveFDs: 1},
	} {
		if got := c.keeps(); got != want {
			t.Errorf("%+v keeps %q; want %q", c, got, want)
		}
	}
}

// A terminal's master goes to the socket, or to who asks for it, or stays.
func TestMasterIsHandedOver(t *testing.T) {
	master := func() int {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(p[1])
		return p[0]
	}
	fd := master()
	if gone, err := (Caller{}).handTerminal(-1, fd, "/dev/pts/0"); gone || err != nil {
		t.Errorf("for nobody: gone %v, %v", gone, err)
	}
	if err := unix.Close(fd); err != nil {
		t.Errorf("for nobody, it is closed: %v", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) }()
	fd = master()
	if gone, err := (Caller{}).handTerminal(pair[0], fd, "/dev/pts/0"); !gone || err != nil {
		t.Errorf("for a socket: gone %v, %v", gone, err)
	}
	if err := unix.Close(fd); !errors.Is(err, unix.EBADF) {
		t.Errorf("for a socket, it is open still: %v", err)
	}
	var b [64]byte
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(pair[1], b[:], oob, unix.MSG_DONTWAIT)
	if err != nil || string(b[:n]) != "/dev/pts/0" || oobn != len(oob) {
		t.Errorf("the socket has %q, %d, %v; want the name and a descriptor", b[:max(n, 0)], oobn, err)
	}
	fd = master()
	refused := errors.New("refused")
	gone, err := Caller{Terminal: func(f *os.File) error {
		defer func() { _ = f.Close() }()
		if status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); f.Name() != "/dev/pts/0" || err != nil || status&unix.O_NONBLOCK == 0 {
			t.Errorf("a function gets %s, %#x, %v; want what does not block", f.Name(), status, err)
		}
		return refused
	}}.handTerminal(-1, fd, "/dev/pts/0")
	if !gone || !errors.Is(err, refused) {
		t.Errorf("for a function: gone %v, %v", gone, err)
	}
}

func TestCallerIsTold(t *testing.T) {
	if err := (Caller{}).tell(t.Context(), 4711); err != nil {
		t.Errorf("nobody: %v", err)
	}
	p := filepath.Join(t.TempDir(), "pid")
	if err := (Caller{PidFile: p}).tell(t.Context(), 4711); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(p); string(b) != "4711" {
		t.Errorf("pid file = %q, %v", b, err)
	}
	if err := (Caller{PidfdSocket: p}).tell(t.Context(), os.Getpid()); err == nil {
		t.Error("a file is a socket")
	}
	if sock, err := (Caller{}).dial(t.Context()); sock != -1 || err != nil {
		t.Errorf("dial = %d, %v; want none", sock, err)
	}
	if _, err := (Caller{ConsoleSocket: p}).dial(t.Context()); err == nil {
		t.Error("a file is a console socket")
	}
}

// What a caller can't have is refused before anything is made.
func TestCallerIsChecked(t *testing.T) {
	for _, c := range []struct {
		name     string
		caller   Caller
		terminal bool
		want     string
	}{
		{"nothing", Caller{}, false, ""},
		{"relayed terminal", Caller{}, true, ""},
		{"terminal for a socket", Caller{ConsoleSocket: "/s", Detach: true}, true, ""},
		{"socket without a terminal", Caller{ConsoleSocket: "/s"}, false, "process.terminal is false"},
		{"less than no descriptors", Caller{PreserveFDs: -1}, false, "--preserve-fds -1"},
		{"more than there can be", Caller{PreserveFDs: math.MaxInt}, false, "give a number from 0 to 1048576"},
		{"as many as there can be", Caller{PreserveFDs: mostFDs}, false, "--preserve-fds 1048576: descriptor "},
		{"as many as overflow", Caller{PreserveFDs: math.MaxInt - stdio + 1}, false, "give a number from 0 to 1048576"},
		{"terminal for nobody", Caller{Detach: true}, true, "--console-socket is needed"},
	} {
		err := c.caller.Check(&oci.Process{Terminal: c.terminal})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Check = %v; want %q", c.name, err, c.want)
		}
	}
}

// A descriptor that the caller names but does not have is its mistake.
func TestMissingDescriptorIsNamed(t *testing.T) {
	const many = 1 << 12
	err := Caller{PreserveFDs: many}.checkPreserved()
	if err == nil || !strings.Contains(err.Error(), "--preserve-fds 4096: descriptor ") {
		t.Errorf("checkPreserved = %v; want the first descriptor that is missing", err)
	}
}

// What closes with an exec never came from the caller: it is our own.
func TestOwnDescriptorIsNotPreserved(t *testing.T) {
	var own [2]int
	if err := unix.Pipe2(own[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(own[0]), unix.Close(own[1]) }()
	err := Caller{PreserveFDs: own[1] - stdio + 1}.checkPreserved()
	if !errors.Is(err, unix.EBADF) {
		t.Errorf("checkPreserved up to our own descriptor %d = %v; want EBADF", own[1], err)
	}
}
