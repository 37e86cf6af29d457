package main

// Progress on a terminal, and nowhere else.

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal gives a terminal of 100 columns, and a function that gives what
// was printed on it.
func terminal(t *testing.T) (tty *os.File, printed func() string) {
	t.Helper()
	p, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(p) // EIO is the end of a terminal
		p.Close()
		text <- string(b)
	}()
	return tty, func() string {
		tty.Close()
		return <-text
	}
}

func TestProgressOnATerminal(t *testing.T) {
	for _, c := range []struct {
		total int64
		want  string
	}{
		{400 << 20, "100 MiB of 400 MiB"},
		{0, "100 MiB"}, // unknown
	} {
		for _, done := range []int64{200 << 20, 400 << 20} {
			tty, printed := terminal(t)
			p := newProgress(tty, "unpack")
			p.start = time.Now()
			p.report(100<<20, c.total)
			time.Sleep(2 * progressEvery)
			p.report(done, c.total)
			p.finish()
			got := printed()
			if !strings.Contains(got, "unpack") || !strings.Contains(got, c.want) {
				t.Errorf("a total of %d printed %q; want %q", c.total, got, c.want)
			}
			if !strings.HasSuffix(got, "\x1b[J") {
				t.Errorf("a total of %d printed %q; want its last line erased", c.total, got)
			}
		}
	}
}

func TestNoProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, "unpack")
	p.start = time.Now()
	p.report(1, 2)
	p.finish()
	if out.Len() != 0 {
		t.Errorf("on no terminal it printed %q", out.String())
	}
	tty, printed := terminal(t)
	p = newProgress(tty, "unpack")
	p.report(1, 2)
	p.finish()
	if got := printed(); got != "" {
		t.Errorf("work that is done at once printed %q", got)
	}
}
