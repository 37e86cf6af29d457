package main

// runcell image and registry. They are a program of their own, because what they
// link would cost every other command start-up time. runcell becomes it: same
// process, same arguments and environment.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"
)

const imageProgram = "runcell-image"

func (a *app) imageCommand() *cli.Command {
	return a.imageProgramsCommand("image", "get, keep, make and unpack images")
}

func (a *app) registryCommand() *cli.Command {
	return a.imageProgramsCommand("registry", "log in to registries and out of them")
}

// isImagePrograms tells whether a command is one of the other program's.
func isImagePrograms(command string) bool { return command == "image" || command == "registry" }

func (a *app) imageProgramsCommand(name, usage string) *cli.Command {
	return &cli.Command{
		Name:            name,
		Usage:           usage,
		ArgsUsage:       "COMMAND",
		SkipFlagParsing: true, // the flags are the other program's
		Action:          func(context.Context, *cli.Command) error { return a.becomeImage() },
	}
}

// becomeImage replaces this process by the other program. PATH has no say.
func (a *app) becomeImage() error {
	places, err := a.imagePrograms()
	if err != nil {
		return err
	}
	for _, path := range places {
		err := a.become(path, a.args, os.Environ())
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("run %s: %w", path, err)
		}
	}
	return missingImageProgram(places)
}

// imagePrograms lists where the other program can be: beside runcell's own
// file, or in the directory where "make install" puts it.
func (a *app) imagePrograms() ([]string, error) {
	own, err := a.executable()
	if err == nil {
		own, err = filepath.EvalSymlinks(own)
	}
	if err != nil {
		return nil, fmt.Errorf("find runcell's own file: %w", err)
	}
	dir := filepath.Dir(own)
	return []string{filepath.Join(dir, imageProgram), filepath.Join(dir, "..", "libexec", imageProgram)}, nil
}

func missingImageProgram(places []string) error {
	return fmt.Errorf("the program %s is missing: install it as %s or %s", imageProgram, places[0], places[1])
}
