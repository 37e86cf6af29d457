package linux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestProgram: it makes calls until one passes, with the arguments that it was
// given, and finds in its memory what the job has.
func TestProgram(t *testing.T) {
	for _, x := range []struct {
		name, goarch          string
		run                   func(*exec.Cmd) error
		word                  int
		kill, chdir, shut, id uintptr
	}{
		{"amd64", "amd64", Run, 8, unix.SYS_KILL, unix.SYS_CHDIR, unix.SYS_CLOSE, unix.SYS_GETPID},
		{"386", "386", Run, 4, 37, 12, 6, 20},
		{"386 under qemu-user", "386", func(cmd *exec.Cmd) error { return under(cmd).Run() }, 4, 37, 12, 6, 20},
	} {
		if runtime.GOARCH != "amd64" {
			t.Skip("the programs are for amd64 and 386")
		}
		t.Run(x.name, func(t *testing.T) {
			path, err := Build(t.Context(), t.TempDir(), x.goarch)
			if err != nil {
				t.Fatal(err)
			}
			laid := []byte("/no such file\x00")
			job, err := Job(laid, []Call{
				{x.shut, [maxArgs]uintptr{99}},
				{x.chdir, [maxArgs]uintptr{Base + Zeros}},
				{x.kill, [maxArgs]uintptr{uintptr(os.Getpid()), 99}},
				{x.id, [maxArgs]uintptr{}},
				{x.shut, [maxArgs]uintptr{99}},
			}, x.word)
			if err != nil {
				t.Fatal(err)
			}
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			in, err := os.CreateTemp(t.TempDir(), "job")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := in.Write(job); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Seek(0, 0); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path)
			cmd.ExtraFiles = make([]*os.File, ReportFD-2)
			cmd.ExtraFiles[JobFD-3], cmd.ExtraFiles[ReportFD-3] = in, w
			runErr := x.run(cmd)
			_ = w.Close()
			var exit *exec.ExitError
			if !errors.As(runErr, &exit) || exit.ExitCode() != 100 {
				t.Errorf("it ended with %v; want exit code 100", runErr)
			}
			var said bytes.Buffer
			if _, err := said.ReadFrom(r); err != nil {
				t.Fatal(err)
			}
			var got []uint32
			for b := said.Bytes(); len(b) >= 4; b = b[4:] {
				got = append(got, binary.LittleEndian.Uint32(b))
			}
			want := []uint32{0, uint32(unix.EBADF), 1, uint32(unix.ENOENT), 2, uint32(unix.EINVAL), 3, 0}
			if !slices.Equal(got, want) {
				t.Errorf("it says %d; want %d", got, want)
			}
		})
	}
}
