package imagetest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { Main(m) }

// mountedVar has TestCutOff mount something and wait to be killed.
const mountedVar = "RUNCELL_IMAGE_TEST_MOUNTED"

// What a test has mounted goes with it, also when it is cut off.
func TestCutOff(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts")
	}
	if dir := os.Getenv(mountedVar); dir != "" {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("mounted\n")
		select {}
	}
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestCutOff$")
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, apartVar+"=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, mountedVar+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); line != "mounted\n" {
		t.Errorf("it says %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r) // until the last process that has it is gone
	_ = cmd.Wait()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("%s is mounted still (%v)", dir, err)
	}
}
