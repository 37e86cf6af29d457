package console

// What a terminal's program reads when our own input is none.

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// unreadable stands for an input that was opened for writing.
const unreadable = "unreadable"

// A program that reads a terminal is told that the input has ended, also when it
// reads on: it would wait for ever.
func TestEndOfInputIsTyped(t *testing.T) {
	for _, typed := range []string{"", "a line\n", "no line", unreadable} {
		master, tty, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		ours, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(err)
		}
		in, keys, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		stdin := os.Stdin
		os.Stdin = in
		if typed == unreadable {
			os.Stdin = keys
		}
		r, err := NewRelay(ours)
		if err == nil {
			err = r.Take()
		}
		if err != nil {
			t.Fatal(err)
		}
		if typed == unreadable {
			typed = ""
		} else if _, err := keys.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		keys.Close()
		got := make(chan string)
		go func() {
			first, _ := io.ReadAll(tty)
			again, _ := io.ReadAll(tty)
			got <- string(first) + "|" + string(again)
		}()
		select {
		case g := <-got:
			if g != typed+"|" {
				t.Errorf("typed %q: the program reads %q", typed, g)
			}
		case <-time.After(time.Minute):
			t.Errorf("typed %q: the program still reads", typed)
		}
		if err := r.Finish(); err != nil {
			t.Error(err)
		}
		os.Stdin = stdin
		tty.Close()
		master.Close()
		in.Close()
	}
}

// unreadEnv has this test's program show a terminal where nobody looks.
const unreadEnv = "CONSOLE_TEST_UNREAD"

// Output that nobody reads hangs up the terminal, and is not the end of the process
// that shows it: it has a container to remove.
func TestShownToNobody(t *testing.T) {
	if os.Getenv(unreadEnv) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestShownToNobody$")
		cmd.Env = append(os.Environ(), unreadEnv+"=1")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		cmd.Stdout = w
		var said bytes.Buffer
		cmd.Stderr = &said
		_ = cmd.Run()
		_ = w.Close()
		if cmd.ProcessState.ExitCode() != 3 {
			t.Errorf("%v, %s; want it to go on", cmd.ProcessState, &said)
		}
		return
	}
	master, tty, err := pty.Open()
	if err != nil {
		panic(err)
	}
	ours, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		err = master.Close()
	}
	if err != nil {
		panic(err)
	}
	relay, err := NewRelay(ours)
	if err == nil {
		_, err = tty.WriteString("output")
	}
	if err != nil {
		panic(err)
	}
	<-relay.done // the end of what is shown: a second one never comes
	if err := relay.Finish(); err != nil {
		panic(err)
	}
	os.Exit(3)
}
