package cmdline

// What is logged.

import (
	"bytes"
	"context"
	stdlog "log"
	"testing"

	"github.com/urfave/cli/v3"
)

// What a library says by the standard logger is a debug message like any other:
// net/http prints there what a registry sends out of turn.
func TestLibrariesLogAsWeDo(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"x", "say"}, ""},
		{[]string{"x", "--debug", "say"}, "runcell: debug: a line?[31m\n"},
	} {
		var out bytes.Buffer
		p := Program{Stdout: &out, Stderr: &out}
		root := p.Root()
		root.Commands = []*cli.Command{{Name: "say", Action: func(context.Context, *cli.Command) error {
			stdlog.Print("a line\x1b[31m")
			return nil
		}}}
		Prepare(root)
		if code := p.Run(root, c.args); code != 0 || out.String() != c.want {
			t.Errorf("%q: code %d, %q; want %q", c.args, code, out.String(), c.want)
		}
	}
}
