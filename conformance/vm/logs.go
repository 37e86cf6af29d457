package main

// What a run leaves behind: the console log, and each suite's TAP as the guest
// printed it.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

type logs struct {
	dir     string
	console *os.File
	files   map[string]*os.File
	err     error // the first that writing gave
}

func openLogs(dir string) (*logs, error) {
	var err error
	if dir == "" {
		dir, err = os.MkdirTemp("", "runcell-vm-log-")
	} else {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	l := &logs{dir: dir, files: map[string]*os.File{}}
	if l.console, err = os.Create(filepath.Join(dir, "console.log")); err != nil {
		return nil, fmt.Errorf("make console log: %w", err)
	}
	return l, nil
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9]+`)

// tap keeps a line of a step's TAP.
func (l *logs) tap(step, line string) {
	f := l.files[step]
	if f == nil {
		var err error
		f, err = os.Create(filepath.Join(l.dir, notInNames.ReplaceAllString(step, "-")+".tap"))
		if err != nil {
			l.err = errors.Join(l.err, err)
			return
		}
		l.files[step] = f
	}
	if _, err := io.WriteString(f, line+"\n"); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *logs) close() error {
	err := l.console.Close()
	for _, f := range l.files {
		err = errors.Join(err, f.Close())
	}
	return err
}
