package console

// What a terminal's program reads when our own input is none.

import (
	"io"
	"os"
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
