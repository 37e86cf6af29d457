package emulator

// Cells without root: this test binary, run as an ordinary user.

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// innerStatus is what the inner process of these tests exits with after a signal.
var innerStatus = map[os.Signal]int{unix.SIGTERM: 9, syscall.Signal(lastSignal): 10, unix.SIGINT: 11}

// rootless is what the binary does as a user: it enters a namespace (that of
// args[0] unless 0), tells where it is, waits for SIGTERM and exits with 9.
func rootless(args []string) int {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return 1
	}
	if len(args) > 1 && os.Geteuid() != 0 { // someone else gets the terminal's foreground
		cmd := exec.Command("/proc/self/exe")
		cmd.Args, cmd.Stdin = []string{"probe", "sleep"}, os.Stdin
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Foreground: true, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	status, done, err := UserNamespace(pid)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if done {
		return status
	}
	ns, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM, unix.SIGINT, syscall.Signal(lastSignal))
	fmt.Println(os.Geteuid(), os.Getpid(), ns)
	return innerStatus[<-term]
}

// asUser starts the binary as uid 1000 and reads its one line.
func asUser(t *testing.T, exe string, pid int) (cmd *exec.Cmd, inside []string) {
	t.Helper()
	cmd = exec.Command(exe)
	cmd.Args = []string{"rootless", strconv.Itoa(pid)}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}, Setsid: true} // no terminal
	return cmd, line(t, cmd)
}

// line starts a command and reads its one line.
func line(t *testing.T, cmd *exec.Cmd) (inside []string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if len(inside) == 3 && cmd.ProcessState == nil { // the one inside goes on without the one outside
			if pid, err := strconv.Atoi(inside[1]); err == nil && pid > 1 {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		_, _ = cmd.Process.Kill(), cmd.Wait()
	})
	s := bufio.NewScanner(out)
	s.Scan()
	inside = strings.Fields(s.Text())
	if len(inside) != 3 {
		t.Fatalf("the user's process says %q", s.Text())
	}
	return inside
}

func TestUserNamespace(t *testing.T) {
	exe := userProgram(t)
	first, one := asUser(t, exe, 0)
	if one[0] != "0" {
		t.Errorf("euid inside = %s; want 0", one[0])
	}
	pid, err := strconv.Atoi(one[1])
	if err != nil {
		t.Fatal(err)
	}
	second, two := asUser(t, exe, pid)
	if two[0] != "0" || two[2] != one[2] {
		t.Errorf("joined as %s in %s; want 0 in %s", two[0], two[2], one[2])
	}
	for _, cmd := range []*exec.Cmd{second, first} {
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != innerStatus[unix.SIGTERM] {
			t.Errorf("after SIGTERM: %v; want the inner status", cmd.ProcessState)
		}
	}
}

func TestUserNamespaceIsNotForRoot(t *testing.T) {
	if _, done, err := UserNamespace(0); done || err != nil {
		t.Errorf("UserNamespace as root = %v, %v; want nothing done", done, err)
	}
}

func TestForbiddenUserNamespaceSaysWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "setting")
	if err := os.WriteFile(file, []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		err   error
		limit userNSLimit
		want  string
	}{
		{unix.EPERM, userNSLimit{file, "0", "sysctl x=1"}, "run as root, or: sysctl x=1"},
		{unix.ENOSPC, userNSLimit{file, "0", "sysctl x=1"}, "run as root, or: sysctl x=1"},
		{unix.EACCES, userNSLimit{file, "0", "sysctl x=1"}, "run as root, or: sysctl x=1"},
		{unix.EINVAL, userNSLimit{file, "0", "sysctl x=1"}, "start in a user namespace: invalid argument"},
		{unix.EPERM, userNSLimit{file, "1", "sysctl x=1"}, "(run as root)"},
		{unix.EPERM, userNSLimit{file + ".gone", "0", "sysctl x=1"}, "(run as root)"},
	} {
		if err := explainUserNS(tt.err, []userNSLimit{tt.limit}); !strings.Contains(err.Error(), tt.want) || !errors.Is(err, tt.err) {
			t.Errorf("explainUserNS(%v), of %+v: %v; want %q", tt.err, tt.limit, err, tt.want)
		}
	}
	// What Linux, Debian and Ubuntu have.
	for setting, closed := range map[string]string{
		"user.max_user_namespaces": "0", "kernel.unprivileged_userns_clone": "0", "kernel.apparmor_restrict_unprivileged_userns": "1",
	} {
		if !slices.ContainsFunc(userNSLimits, func(l userNSLimit) bool {
			return l.file == "/proc/sys/"+strings.ReplaceAll(setting, ".", "/") && l.closed == closed && strings.HasPrefix(l.way, "sysctl "+setting+"=")
		}) {
			t.Errorf("nothing says that %s can be %s", setting, closed)
		}
	}
}

// userProgram is the test binary where any user can run it.
func userProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe := filepath.Join(dir, "rootless")
	copyFile(t, "/proc/self/exe", exe)
	return exe
}

// A signal reaches the process inside, whatever it is, and the status is its own.
func TestUserNamespaceForwardsSignals(t *testing.T) {
	exe := userProgram(t)
	for sig, want := range innerStatus {
		outer, _ := asUser(t, exe, 0)
		if err := outer.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if _ = outer.Wait(); outer.ProcessState.ExitCode() != want {
			t.Errorf("after signal %d: %v; want status %d", sig, outer.ProcessState, want)
		}
	}
	outer, inside := asUser(t, exe, 0)
	pid, err := strconv.Atoi(inside[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _ = outer.Wait(); outer.ProcessState.ExitCode() != 128+int(unix.SIGKILL) {
		t.Errorf("after the inner one was killed: %v", outer.ProcessState)
	}
}

// What the caller ignores the process inside ignores: nohup(1).
func TestUserNamespaceKeepsIgnoredSignals(t *testing.T) {
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	_, inside := asUser(t, userProgram(t), 0)
	b, err := os.ReadFile("/proc/" + inside[1] + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, ignored, _ := strings.Cut(string(b), "SigIgn:")
	ignored, _, _ = strings.Cut(strings.TrimSpace(ignored), "\n")
	if mask, err := strconv.ParseUint(ignored, 16, 64); err != nil || mask&1 == 0 {
		t.Errorf("ignored signals: %q, %v; want SIGHUP among them", ignored, err)
	}
}

// The terminal sends its signals to the process inside itself, in the foreground.
func TestUserNamespaceOnATerminal(t *testing.T) {
	exe := userProgram(t)
	for _, tt := range []struct {
		args   []string
		sent   []os.Signal
		status int
	}{
		{[]string{"rootless", "0"}, []os.Signal{unix.SIGINT, unix.SIGTERM}, innerStatus[unix.SIGTERM]},
		{[]string{"rootless", "0", "background"}, []os.Signal{unix.SIGINT}, innerStatus[unix.SIGINT]},
	} {
		master, tty := terminal(t)
		cmd := exec.Command(exe)
		cmd.Args, cmd.Dir, cmd.Stdin = tt.args, "/", tty
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}, Setsid: true, Setctty: true}
		line(t, cmd)
		for _, sig := range tt.sent {
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != tt.status {
			t.Errorf("%q after %v: %v; want status %d", tt.args, tt.sent, cmd.ProcessState, tt.status)
		}
		_, _ = tty.Close(), master.Close() // which ends who is in the foreground
	}
}

func terminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return master, tty
}

// Who may not join says so.
func TestUserNamespaceOfOthers(t *testing.T) {
	cmd := exec.Command(userProgram(t))
	cmd.Args, cmd.Dir = []string{"rootless", strconv.Itoa(os.Getpid())}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	if out, err := cmd.Output(); err == nil || !strings.Contains(string(out), "join user namespace") {
		t.Errorf("joining root's namespace: %v, %q; want the step that failed", err, out)
	}
}
