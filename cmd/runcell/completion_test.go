package main

// What the shells' scripts are answered.

import (
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/cmd/internal/completion"
	"github.com/netbsd-cells/runcell/runtime"
)

func TestCompletionWords(t *testing.T) {
	states := append(someStates(), &runtime.State{ID: "new", Status: runtime.Created}, &runtime.State{ID: "still", Status: runtime.Paused})
	for _, c := range []struct{ words, want string }{
		{"star", "start"},
		{"start ", "new"},
		{"kill ", "new still web"},
		{"kill -a web SIGU", "SIGURG SIGUSR1 SIGUSR2"},
		{"kill web TERM ", ""},
		{"resume ", "still"},
		{"exec ", "web"},
		{"exec web --", ""}, // belongs to the program
		{"exec --tty web ", ""},
		{"delete ", "db new still web"},
		{"delete -- ", "db new still web"},
		{"delete web ", "db new still"},
		{"stop --all ", ""},
		{"run --permission mou", "mount"},
		{"run --ulimit no", "nofile="},
		{"run --syslog daemon.n", "daemon.notice"},
		{"state $X ", ""},
		{"metrics web db ", "new still"},
		{"--root $X delete ", ""},
		{"--root /r --emulate ", "current published"},
		{"list --format=", "--format=json --format=table"},
		{"list -f t", "table"},
		{"list --quiet --q", ""},
		{"exec --env A=1 --en", "--env"}, // may be repeated
		{"exec --app", "--apparmor"},
		{"exec --ignore", ""}, // does nothing
		{"delete --ro", "--root"},
		{"nonsense ", ""},
		{"help ex", "exec explain"},
		{"completion ", "bash fish zsh"},
	} {
		f := &fake{states: states}
		stdout, stderr, code := f.runcell(t, append([]string{"completion", "words", "--"}, strings.Split(c.words, " ")...)...)
		var got []string
		for line := range strings.Lines(stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if strings.Join(got, " ") != c.want || stderr != "" || code != 0 {
			t.Errorf("runcell %s: offers %q, stderr %q, code %d; want %q", c.words, got, stderr, code, c.want)
		}
	}
	f := &fake{states: states}
	f.runcell(t, "completion", "words", "--", "--root", "/elsewhere", "state", "")
	if f.root != "/elsewhere" {
		t.Errorf("the containers are those of %q; want /elsewhere", f.root)
	}
}

// Who adds a command or a flag has to say what its arguments are.
func TestCompletionKnowsEveryArgument(t *testing.T) {
	a := newApp()
	completion.Check(t.Errorf, a.completions(), a.root(nil), "image", "registry")
}
