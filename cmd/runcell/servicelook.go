package main

// Looking at declared cells: what is declared, what runs, what differs.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/runtime"
)

// serviceListed is a declaration in the list.
type serviceListed struct {
	Name      string   `json:"name"`
	Image     string   `json:"image,omitempty"` // or else
	Bundle    string   `json:"bundle,omitempty"`
	Autostart bool     `json:"autostart"`
	Script    string   `json:"script,omitempty"` // of rc.d, which starts it
	Requires  []string `json:"requires"`
}

func (s *services) list(_ context.Context, declared []*service.Declaration) error {
	list := make([]serviceListed, len(declared)) // never null
	rows := [][]string{{"NAME", "FROM", "AT BOOT", "REQUIRES"}}
	for i, d := range declared {
		boot, script := "no", ""
		if s.enabled(d) {
			boot = service.ScriptPrefix + d.Name
			script = boot
		} else if d.Autostart {
			boot = "yes"
		}
		list[i] = serviceListed{d.Name, d.Image, d.Bundle, d.Autostart, script, append([]string{}, d.Require...)}
		rows = append(rows, []string{d.Name, d.Image + d.Bundle, boot, strings.Join(d.Require, " ")})
	}
	if err := s.print(rows, list); err != nil {
		return err
	}
	return s.unread()
}

// print prints a table, or the same as JSON.
func (s *services) print(rows [][]string, list any) error {
	if s.cmd.String("format") == "json" {
		return cmdline.WriteJSON(s.Stdout, list, "  ")
	}
	return cmdline.WriteTable(s.Stdout, rows)
}

// life is what can be said of a cell in a word.
type life uint8

const (
	isDown life = iota
	isDead
	isStarting
	isWaiting
	isPaused
	isRunning
)

// lives are the words, for people and for programs.
var lives = [...]struct{ says, word string }{
	isDown:     {"stopped", "stopped"},
	isDead:     {"dead", "dead"},
	isStarting: {"is being started", "starting"},
	isWaiting:  {"ended, is started again", "waiting"},
	isPaused:   {"paused", "paused"},
	isRunning:  {"running", "running"},
}

// condition is whether a cell runs, and who keeps it going.
type condition struct {
	life
	supervisor int  // the process, 0 = nobody
	exit       *int // of a dead one, if it is known
}

// isUp tells whether somebody keeps the cell going.
func (c condition) isUp() bool { return c.life != isDown && c.life != isDead }

func (c condition) String() string {
	if c.exit != nil {
		return fmt.Sprintf("%s (%d)", lives[c.life].says, *c.exit)
	}
	return lives[c.life].says
}

func (s *services) condition(d *service.Declaration) (c condition, err error) {
	if c.supervisor, err = lockHolder(s.lock(d)); err != nil {
		return c, err
	}
	st, err := s.engine.State(d.Name)
	if err != nil && !errors.Is(err, runtime.ErrNotExist) {
		return c, err
	}
	if c.supervisor > 0 {
		c.life = isStarting
		if err == nil {
			c.life = kept(st.Status)
		}
		return c, nil
	}
	args, err := s.running(d)
	if args == nil || err != nil {
		return c, err
	}
	status, asked, err := readEnd(s.lock(d))
	if err != nil || asked {
		return c, err
	}
	c.life = isDead
	if status >= 0 {
		c.exit = &status
	}
	return c, nil
}

// kept is the life of a cell with a supervisor.
func kept(is runtime.Status) life {
	switch is {
	case runtime.Running:
		return isRunning
	case runtime.Paused:
		return isPaused
	case runtime.Stopped:
		return isWaiting
	}
	return isStarting
}

// serviceStatus is a cell in the status.
type serviceStatus struct {
	Name       string `json:"name"`
	Status     string `json:"status"`
	ExitStatus *int   `json:"exitStatus,omitempty"` // of a dead one, if it is known
	Supervisor int    `json:"supervisor,omitempty"` // the process that keeps it going
	Image      string `json:"image,omitempty"`      // or else
	Bundle     string `json:"bundle,omitempty"`
	Log        string `json:"log"`
	Error      string `json:"error,omitempty"` // why nothing is known
}

// statusOf tells the condition, for programs and for people.
func (s *services) statusOf(d *service.Declaration) (x serviceStatus, c condition, says string) {
	c, err := s.condition(d)
	x = serviceStatus{
		Name: d.Name, Status: lives[c.life].word, ExitStatus: c.exit, Supervisor: c.supervisor,
		Image: d.Image, Bundle: d.Bundle, Log: s.logOf(d),
	}
	if err != nil {
		x.Status, x.Error = "unknown", err.Error()
		return x, c, "unknown: " + err.Error()
	}
	return x, c, c.String()
}

func (s *services) status(_ context.Context, declared []*service.Declaration) error {
	list := make([]serviceStatus, len(declared)) // never null
	rows, dead := [][]string{{"NAME", "STATUS", "SUPERVISOR", "FROM", "LOG"}}, false
	for i, d := range declared {
		x, c, says := s.statusOf(d)
		keeper := "-"
		if x.Supervisor > 0 {
			keeper = strconv.Itoa(x.Supervisor)
		}
		wanted := len(s.args) > 0 || d.Autostart || s.enabled(d)
		dead = dead || x.Error != "" || c.life != isRunning && (c.life != isDown || wanted)
		list[i] = x
		rows = append(rows, []string{d.Name, says, keeper, d.Image + d.Bundle, x.Log})
	}
	if err := s.print(rows, list); err != nil {
		return err
	}
	if err := s.unread(); err != nil {
		return err
	}
	if dead {
		return cmdline.ExitStatus(cmdline.ExitFailure)
	}
	return nil
}

func (s *services) check(ctx context.Context, list []*service.Declaration) error {
	drifted := false
	err := s.each(list, func(d *service.Declaration) (string, error) {
		s.warn(d, io.Discard)
		differ, err := s.drift(ctx, d)
		if err != nil {
			return "", err
		}
		is, err := s.condition(d)
		if len(differ) == 0 {
			return is.String() + ", as declared", err
		}
		drifted = true
		return is.String() + "; a restart changes:" + lines(differ), err
	})
	if err == nil && drifted {
		return cmdline.ExitStatus(exitDrift)
	}
	return err
}

// logOf is where a cell's output goes.
func (s *services) logOf(d *service.Declaration) string {
	if d.Syslog != "" {
		return "syslog " + d.Syslog
	}
	return s.logFile(d)
}

// lines are differences, a line each, indented.
func lines(list []service.Difference) string {
	var b strings.Builder
	for _, x := range list {
		b.WriteString("\n  " + cmdline.OneLine(x.Field+": "+orNothing(x.Is)+" -> "+orNothing(x.Will)))
	}
	return b.String()
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func (s *services) diff(ctx context.Context, list []*service.Declaration) error {
	some := false
	var errs []error
	for _, d := range list {
		differ, err := s.drift(ctx, d)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.Name, err))
		}
		for _, x := range differ {
			some = true
			fmt.Fprintln(s.Stdout, cmdline.OneLine(d.Name+": "+x.Field+": "+orNothing(x.Is)+" -> "+orNothing(x.Will)))
		}
	}
	if err := errors.Join(append(errs, s.unread())...); err != nil {
		return err
	}
	if some {
		return cmdline.ExitStatus(cmdline.ExitFailure)
	}
	return nil
}

// warnings are what of a declaration means nothing: names that nobody has.
func (s *services) warnings(d *service.Declaration) (list []string) {
	var known []string
	for _, other := range s.all {
		known = append(known, other.Name)
	}
	for name := range s.broken {
		known = append(known, name)
	}
	known = append(known, s.provided()...)
	names, near := service.Unknown(d, known)
	for i, name := range names {
		text := "require or before names " + name + ", which is no declared cell, and nothing that " + filepath.Join(s.etc, "rc.d") + " provides"
		if near[i] != "" {
			text += "; did you mean " + near[i] + "?"
		}
		list = append(list, text)
	}
	return list
}

// provided are the names of the system's own scripts, in which nothing is wrong
// that a cell has to do with.
func (s *services) provided() (names []string) {
	scripts, _ := os.ReadDir(filepath.Join(s.etc, "rc.d"))
	for _, e := range scripts {
		if text, err := readSmall(filepath.Join(s.etc, "rc.d", e.Name())); err == nil {
			names = append(names, service.Provided(text)...)
		}
	}
	return names
}

// warn tells them, and puts them into a log, if one is given.
func (s *services) warn(d *service.Declaration, log io.Writer) {
	for _, text := range s.warnings(d) {
		line := fmt.Sprintf("runcell: warning: %s: %s\n", d.Name, cmdline.OneLine(text))
		_, _ = io.WriteString(s.Stderr, line) // a start does not fail for it
		_, _ = io.WriteString(log, line)
	}
}

// scriptOf and confOf are what enable writes.
func (s *services) scriptOf(d *service.Declaration) string {
	return filepath.Join(s.etc, "rc.d", service.ScriptPrefix+d.Name)
}

func (s *services) confOf(d *service.Declaration) string {
	return filepath.Join(s.etc, "rc.conf.d", service.ScriptPrefix+d.Name)
}

func (s *services) enabled(d *service.Declaration) bool {
	_, err := os.Lstat(s.scriptOf(d))
	return err == nil
}

func (s *services) enable(_ context.Context, list []*service.Declaration) error {
	own, err := s.executable()
	if err != nil {
		return fmt.Errorf("find runcell's own file: %w", err)
	}
	if _, err := os.Stat(filepath.Join(s.etc, "rc.d")); err != nil {
		return fmt.Errorf("this system has no rc.d scripts: %w", err)
	}
	cells := map[string]bool{}
	for _, d := range s.all {
		cells[d.Name] = s.enabled(d) || slices.Contains(list, d)
	}
	return s.each(list, func(d *service.Declaration) (string, error) {
		text, err := service.Script(d, own, cells)
		if err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(s.confOf(d)), 0o755); err != nil {
			return "", err
		}
		err = errors.Join(
			cmdline.ReplaceBytes(s.confOf(d), 0o644, []byte(service.ScriptPrefix+d.Name+"=YES\n")),
			cmdline.ReplaceBytes(s.scriptOf(d), 0o755, []byte(text)))
		return "enabled: " + s.scriptOf(d), err
	})
}

func (s *services) disable(_ context.Context, list []*service.Declaration) error {
	return s.each(list, func(d *service.Declaration) (string, error) {
		for _, path := range []string{s.scriptOf(d), s.confOf(d)} {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return "", err
			}
		}
		return "disabled", nil
	})
}
