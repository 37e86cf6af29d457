package exeseal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// passEnv counts how often the program below was started.
const passEnv = "EXESEAL_PASS"

func TestMain(m *testing.M) {
	pass := os.Getenv(passEnv)
	if pass == "" {
		os.Exit(m.Run())
	}
	if len(pass) > 2 {
		fmt.Println("it goes on and on")
		os.Exit(1)
	}
	err := errors.Join(os.Setenv(passEnv, pass+"x"), Protect())
	if err == nil {
		err = sealed()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("sealed", os.Args[1:], pass)
}

// sealed looks at this process as a container could.
func sealed() error {
	if done, err := Protected(); err != nil || !done {
		return errors.Join(fmt.Errorf("protected: %v", done), err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		return errors.Join(fmt.Errorf("dumpable: %d", dumpable), err)
	}
	if err := unix.Access("/proc/self/exe", unix.W_OK); !errors.Is(err, unix.EROFS) {
		return errors.Join(errors.New("write to the program: want EROFS"), err)
	}
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	links, err := filepath.Glob("/proc/self/fd/*")
	for _, l := range links {
		if to, _ := os.Readlink(l); to == self {
			return fmt.Errorf("%s leads to the program", l)
		}
	}
	return err
}

// A program goes on as a copy that nobody can write to, once, as it was.
func TestProtect(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), own, "an argument")
	cmd.Env = append(os.Environ(), passEnv+"=x")
	cmd.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS} // whatever becomes read-only
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "sealed [an argument] xx\n" {
		t.Errorf("%v, %s", err, out)
	}
}

func TestRefuseSelf(t *testing.T) {
	if err := RefuseSelf(os.Getpid()); !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "the runcell binary") {
		t.Errorf("own program: %v", err)
	}
	if err := RefuseSelf(math.MaxInt32); err != nil {
		t.Errorf("a process that is not there: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := RefuseSelf(cmd.Process.Pid); err != nil {
		t.Errorf("another program: %v", err)
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		dev, ino uint64
		same     bool
	}{{1, 2, true}, {1, 3, false}, {2, 2, false}} {
		if sameFile(&unix.Stat_t{Dev: 1, Ino: 2}, &unix.Stat_t{Dev: c.dev, Ino: c.ino}) != c.same {
			t.Errorf("%+v: not so", c)
		}
	}
}
