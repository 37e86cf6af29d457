package cmdline

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// Who types a word of docker's reads what is typed here.
func TestWordsOfOthers(t *testing.T) {
	root := &cli.Command{Name: "runcell", Commands: []*cli.Command{{Name: "delete"}, {Name: "state"}}}
	for name, want := range map[string]string{
		"rm": "runcell delete", "logs": "/var/log/runcell", "images": "runcell image list", "stat": `did you mean "state"?`, "delet": `did you mean "delete"?`,
	} {
		if err := unknownCommand(root, name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `has no command "`+name+`"`) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
}
