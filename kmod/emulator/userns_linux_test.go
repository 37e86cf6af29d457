package emulator

// Cells without root: this test binary, run as an ordinary user.

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// rootless is what the binary does as a user: it enters a namespace (that of
// args[0] unless 0), tells where it is, waits for SIGTERM and exits with 9.
func rootless(args []string) int {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return 1
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
	signal.Notify(term, unix.SIGTERM)
	fmt.Println(os.Geteuid(), os.Getpid(), ns)
	<-term
	return 9
}

// asUser starts the binary as uid 1000 and reads its one line.
func asUser(t *testing.T, exe string, pid int) (cmd *exec.Cmd, inside []string) {
	t.Helper()
	cmd = exec.Command(exe)
	cmd.Args = []string{"rootless", strconv.Itoa(pid)}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	s := bufio.NewScanner(out)
	s.Scan()
	inside = strings.Fields(s.Text())
	if len(inside) != 3 {
		t.Fatalf("the user's process says %q", s.Text())
	}
	return cmd, inside
}

func TestUserNamespace(t *testing.T) {
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe := filepath.Join(dir, "rootless")
	copyFile(t, "/proc/self/exe", exe)
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
		if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 9 {
			t.Errorf("after SIGTERM: %v; want the inner status, 9", cmd.ProcessState)
		}
	}
}

func TestUserNamespaceIsNotForRoot(t *testing.T) {
	if _, done, err := UserNamespace(0); done || err != nil {
		t.Errorf("UserNamespace as root = %v, %v; want nothing done", done, err)
	}
}

func TestForbiddenUserNamespaceSaysWhatToDo(t *testing.T) {
	if err := explainUserNS(unix.EPERM); !strings.Contains(err.Error(), "run as root") {
		t.Errorf("explainUserNS(EPERM) = %v; want the way out", err)
	}
}
