package main

// runcell completion: scripts for the shells, and the answers to what they ask.

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/completion"
	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/cmd/internal/supervise"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

// The scripts name the program as @RUNCELL@, so that no other one is started
// that happens to have its name.
var (
	//go:embed completion/runcell.bash
	bashScript string
	//go:embed completion/runcell.zsh
	zshScript string
	//go:embed completion/runcell.fish
	fishScript string
)

const completionText = `"make install" puts the scripts where the shells look for them. To read one at once:

    bash   source <(runcell completion bash)
    zsh    source <(runcell completion zsh)
    fish   runcell completion fish | source

What is typed is never executed, and nothing is expanded in it: where the shell would expand
a word, nothing is offered.`

func (a *app) completionCommand() *cli.Command {
	c := &cli.Command{
		Name:        "completion",
		Usage:       "print a script that completes commands in a shell: bash, zsh or fish",
		ArgsUsage:   "SHELL",
		Description: completionText,
		Commands:    []*cli.Command{completion.Command(a.completions, a.completeElsewhere)},
	}
	for _, s := range []struct{ shell, script string }{{"bash", bashScript}, {"zsh", zshScript}, {"fish", fishScript}} {
		c.Commands = append(c.Commands, &cli.Command{
			Name: s.shell, Usage: "print the script for " + s.shell,
			Action: a.action(func(_ context.Context, cmd *cli.Command) error {
				if err := noArguments(cmd); err != nil {
					return err
				}
				return a.printScript(s.script)
			}),
		})
	}
	return c
}

func (a *app) printScript(script string) error {
	own, err := a.executable()
	if err != nil {
		return fmt.Errorf("find runcell's own file: %w", err)
	}
	_, err = fmt.Fprint(a.Stdout, strings.ReplaceAll(script, "@RUNCELL@", completion.Typed{}.Quote(own)))
	return err
}

// completeElsewhere lets the image program answer for its commands.
func (a *app) completeElsewhere(command string) (bool, error) {
	if !isImagePrograms(command) {
		return false, nil
	}
	return true, a.becomeImage()
}

// completions say what the commands' arguments are, and the flags' values.
func (a *app) completions() completion.Table {
	all, live, running := a.offerIDs(), a.offerIDs(runtime.Created, runtime.Running, runtime.Paused), a.offerIDs(runtime.Running)
	cells := notAll(a.offerCells)
	commands := func(q completion.Query) []completion.Word { return completion.Commands(q.Root) }
	return completion.Table{
		Args: map[string][]completion.Offer{
			"create": nil, "run": nil, "list": nil, "recover": nil, "reserve": nil, "spec": nil, "features": nil, "version": nil,
			"checkpoint": nil, "restore": nil, "completion bash": nil, "completion zsh": nil, "completion fish": nil, "completion words": nil,
			"start":  {a.offerIDs(runtime.Created)},
			"state":  {all},
			"kill":   {live, completion.Signals},
			"stop":   {notAll(live)},
			"pause":  {running},
			"resume": {a.offerIDs(runtime.Paused)},
			"delete": {all},
			"exec":   {running},
			"ps":     {live}, "events": {live}, "update": {live}, "wait": {all},
			"metrics": {all},
			"top":     nil, "ports": nil, "denials": {all}, "inspect": {all},
			"explain": {func(q completion.Query) []completion.Word { return append(all(q), completion.Dirs(q)...) }},
			"help":    {commands},

			"service list": {cells}, "service check": {cells}, "service diff": {cells}, "service explain": {cells}, "service start": {cells}, "service stop": {cells},
			"service restart": {cells}, "service status": {cells}, "service enable": {cells}, "service disable": {cells},
			"service upgrade": {cells, a.offerImages}, "service rollback": {cells}, "service prune": {cells},
			"service export": {cells, completion.Files}, "service import": {completion.Files},
		},
		Repeats: []string{
			"metrics", "stop", "delete",
			"service list", "service check", "service diff", "service explain", "service start", "service stop", "service restart", "service status", "service enable", "service disable", "service prune",
		},
		Flags: map[string]completion.Offer{
			"DIR": completion.Dirs, "FILE": completion.Files, "SOCKET": completion.Files,
			"cwd": nil, "workdir": nil, // directories of the container
			"restart": completion.Plain("no", "on-failure", "always"),
			"json":    completion.Plain("json"), // where there is no other format
			"ulimit":  completion.Plain(withEnd(oci.Limits(), "=")...),
			"syslog":  completion.Plain(supervise.SyslogWords()...),
			"volume":  completion.Paths, "permission": completion.Plain(policy.All().Names()...),
			"image": a.offerImages, "OS/ARCH[/VARIANT]": completion.Platforms,
		},
	}
}

func withEnd(words []string, end string) (list []string) {
	for _, w := range words {
		list = append(list, w+end)
	}
	return list
}

// notAll offers nothing beside --all, which takes no names.
func notAll(offer completion.Offer) completion.Offer {
	return func(q completion.Query) []completion.Word {
		if _, all := q.Flags["all"]; all {
			return nil
		}
		return offer(q)
	}
}

// offerIDs offers the containers of these states, or all of them.
func (a *app) offerIDs(states ...runtime.Status) completion.Offer {
	return func(q completion.Query) (words []completion.Word) {
		root, given := q.Flags["root"]
		dir, err := cmdline.StateDir(root, given, a.euid, a.getenv)
		if err != nil || q.Unknown && given {
			return nil // a shell has no use for the message
		}
		e, err := a.open(dir, "", false)
		if err != nil {
			return nil
		}
		list, _ := e.List()
		for _, s := range list {
			if len(states) == 0 || slices.Contains(states, s.Status) {
				words = append(words, completion.Word{Text: s.ID, About: string(s.Status)})
			}
		}
		return words
	}
}

// imagesPatience is how long a shell waits for the names of images.
const imagesPatience = 2 * time.Second

// offerImages asks the image program what it offers in a name's place.
func (a *app) offerImages(q completion.Query) (words []completion.Word) {
	places, err := a.imagePrograms()
	store, given := q.Flags["store"]
	if err != nil || q.Unknown && given {
		return nil
	}
	var quote completion.Typed
	args := []string{"runcell", "completion", "words", "--", "image", "inspect"}
	if given {
		args = append(args, "--store", quote.Quote(store))
	}
	ctx, stop := context.WithTimeout(context.Background(), imagesPatience)
	defer stop()
	for _, path := range places {
		var out bytes.Buffer
		if a.spawn(ctx, &exec.Cmd{Path: path, Args: append(args, quote.Quote(q.Word)), Stdout: &out}) != nil {
			continue
		}
		for line := range strings.Lines(out.String()) {
			words = append(words, completion.Word{Text: strings.TrimSuffix(line, "\n")})
		}
		return words
	}
	return nil
}

// offerCells offers the cells that are declared.
func (a *app) offerCells(q completion.Query) (words []completion.Word) {
	etc, given := q.Flags["etc"]
	if !given {
		etc = a.etc
	} else if q.Unknown {
		return nil
	}
	list, _ := os.ReadDir(filepath.Join(etc, "runcell"))
	for _, e := range list {
		if name, ok := strings.CutSuffix(e.Name(), service.Suffix); ok && service.CheckName(name) == nil {
			words = append(words, completion.Word{Text: name})
		}
	}
	return words
}
