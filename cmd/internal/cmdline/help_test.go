package cmdline

import (
	"errors"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// Who types a word of docker's reads what is typed here.
func TestWordsOfOthers(t *testing.T) {
	root := &cli.Command{Name: "runcell", Commands: []*cli.Command{{Name: "delete"}, {Name: "state"}}}
	for name, want := range map[string]string{
		"rm": "runcell delete", "logs": "/var/log/runcell", "images": "runcell image list", "stat": `did you mean "state"?`, "delet": `did you mean "delete"?`,
		"cut": "npf(7)", "volume": "--volume", "rename": "another",
	} {
		if err := unknownCommand(root, name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `has no command "`+name+`"`) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	for name, want := range map[string]string{"logs": "service status", "rm": "service prune", "reload": "service restart", "show": "service explain"} {
		if err := unknownCommand(&cli.Command{Name: "service"}, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("service %s: %v; want %q", name, err, want)
		}
	}
	for flag, want := range map[string]string{"rm": "--keep", "name": "the ID"} {
		err := UsageError(t.Context(), &cli.Command{Name: "run"}, errors.New("flag provided but not defined: -"+flag), false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("run --%s: %v; want %q", flag, err, want)
		}
	}
}
