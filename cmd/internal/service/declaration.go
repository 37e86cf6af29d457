package service

// Reading a declaration.

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/netbsd-cells/runcell/cmd/internal/duration"
	"github.com/netbsd-cells/runcell/cmd/internal/settings"
	"github.com/netbsd-cells/runcell/cmd/internal/supervise"
	"github.com/netbsd-cells/runcell/oci"
)

// Suffix ends the name of a declaration's file; before it is the cell's name.
const Suffix = ".cell"

// MaxSize is the largest declaration that is read, in bytes.
const MaxSize = 64 << 10

// Declaration is what one file says.
type Declaration struct {
	Name   string
	Image  string // in the store; or else
	Bundle string // a directory
	// Store and Platform belong to the image; empty = the usual ones.
	Store, Platform string
	Settings        settings.Settings
	Restart         string // see supervise.ParsePolicy
	LogFile         string // or else, if not empty,
	Syslog          string // see supervise.ParseSyslog
	StopTime        time.Duration
	Require, Before []string // cells, and names that rcorder(8) knows
	Autostart       bool
}

// A key is a line of the table.
type key struct {
	name string
	many bool
	set  func(*Declaration, string) error
}

// defaultStop is StopTime unless it is given.
const defaultStop = 10 * time.Second

func text(of func(*Declaration) *string) func(*Declaration, string) error {
	return func(d *Declaration, v string) error { *of(d) = v; return nil }
}

func path(of func(*Declaration) *string) func(*Declaration, string) error {
	return func(d *Declaration, v string) error {
		if v[0] != '/' {
			return fmt.Errorf("%q is not an absolute path", v)
		}
		*of(d) = v
		return nil
	}
}

// errRelative: what a declaration says does not depend on where the command is
// typed, and at boot that is elsewhere.
var errRelative = errors.New("is a path that is not absolute")

// image is a name in the store, or a path as the image program takes it.
func image(d *Declaration, v string) error {
	at := v
	for _, transport := range []string{"oci:", "oci-archive:", "docker-archive:"} {
		if path, ok := strings.CutPrefix(v, transport); ok && !strings.HasPrefix(path, "/") {
			at = "./" + path
		}
	}
	if strings.HasPrefix(at, ".") {
		return fmt.Errorf("%q %w", v, errRelative)
	}
	d.Image = v
	return nil
}

// own are the keys that only a service has; the others are settings.Table's.
var own = []key{
	{"image", false, image},
	{"bundle", false, path(func(d *Declaration) *string { return &d.Bundle })},
	{"store", false, path(func(d *Declaration) *string { return &d.Store })},
	{"platform", false, text(func(d *Declaration) *string { return &d.Platform })},
	{"command", false, func(d *Declaration, v string) (err error) { d.Settings.Command, err = settings.Words(v); return err }},
	{"restart", false, func(d *Declaration, v string) error { d.Restart = v; _, err := supervise.ParsePolicy(v); return err }},
	{"log-file", false, path(func(d *Declaration) *string { return &d.LogFile })},
	{"syslog", false, func(d *Declaration, v string) error {
		d.Syslog = v
		_, err := supervise.ParseSyslog(v, d.Name)
		return err
	}},
	{"stop-time", false, stopTime},
	{"require", true, names(func(d *Declaration) *[]string { return &d.Require })},
	{"before", true, names(func(d *Declaration) *[]string { return &d.Before })},
	{"autostart", false, autostart},
}

func stopTime(d *Declaration, v string) (err error) {
	if d.StopTime, err = duration.Parse(v); err != nil {
		return fmt.Errorf("%q: %w", v, err)
	}
	return nil
}

func autostart(d *Declaration, v string) error {
	if v != "yes" && v != "no" {
		return fmt.Errorf("%q: want yes or no", v)
	}
	d.Autostart = v == "yes"
	return nil
}

// names are words that can stand in an rc.d script.
func names(of func(*Declaration) *[]string) func(*Declaration, string) error {
	return func(d *Declaration, v string) error {
		for _, name := range strings.Fields(v) {
			if err := CheckName(name); err != nil {
				return err
			}
			*of(d) = append(*of(d), name)
		}
		return nil
	}
}

// CheckName tells whether a cell can be declared under the name: it becomes a
// file, a container, a word in a script.
func CheckName(name string) error {
	const longest = 64
	if name == "" || len(name) > longest || name[0] == '-' || name[0] == '.' || strings.ContainsFunc(name, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r)
	}) {
		return fmt.Errorf("%q can't be the name of a declared cell: letters, digits, _, - and ., %d at most", name, longest)
	}
	return nil
}

// keys is the whole table.
func keys() []key {
	list := own
	for _, t := range settings.Table {
		set := t.Set
		if t.Name == "volume" {
			set = func(s *settings.Settings, v string) error {
				if strings.HasPrefix(v, ".") {
					return fmt.Errorf("volume: the source of %q %w", v, errRelative)
				}
				return t.Set(s, v)
			}
		}
		if t.Alone {
			set = func(*settings.Settings, string) error {
				return fmt.Errorf("%s: nobody is at the terminal of a service", t.Name)
			}
		}
		list = append(list[:len(list):len(list)], key{t.Name, t.Many, func(d *Declaration, v string) error { return set(&d.Settings, v) }})
	}
	return list
}

// Keys are the names of the keys.
func Keys() (list []string) {
	for _, k := range keys() {
		list = append(list, k.name)
	}
	return list
}

// Parse reads the declaration of the cell name. All that is wrong with it is in
// the error, each with its line.
func Parse(name string, data []byte) (*Declaration, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if len(data) > MaxSize || !utf8.Valid(data) {
		return nil, fmt.Errorf("%s%s: want a text in UTF-8 of at most %d bytes", name, Suffix, MaxSize)
	}
	d := &Declaration{Name: name, Restart: string(supervise.OnFailure), StopTime: defaultStop}
	seen := map[string]int{}
	var errs []error
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if err := d.line(strings.TrimSpace(line), n, seen); err != nil {
			errs = append(errs, fmt.Errorf("%s%s:%d: %w", name, Suffix, n, err))
		}
	}
	if len(errs) == 0 {
		if err := d.whole(); err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %w", name, Suffix, err))
		}
	}
	return d, errors.Join(errs...)
}

func (d *Declaration) line(line string, n int, seen map[string]int) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	name, value, ok := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || value == "" || strings.ContainsFunc(value, unicode.IsControl) {
		return errors.New("want \"key = value\"; a comment is a line that begins with #")
	}
	for _, k := range keys() {
		if k.name != name {
			continue
		}
		if before := seen[name]; before > 0 && !k.many {
			return fmt.Errorf("%s is there already, in line %d", name, before)
		}
		seen[name] = n
		err := k.set(d, value)
		if err != nil && !strings.HasPrefix(err.Error(), name+": ") {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return err
	}
	if near := oci.Nearest(name, Keys()); near != "" {
		return fmt.Errorf("unknown key %q; did you mean %s?", name, near)
	}
	return fmt.Errorf("unknown key %q; there are %s", name, strings.Join(Keys(), ", "))
}

// whole judges what no line alone says.
func (d *Declaration) whole() error {
	switch {
	case (d.Image == "") == (d.Bundle == ""):
		return errors.New("want either image or bundle")
	case d.Bundle != "" && d.Store+d.Platform != "":
		return errors.New("store and platform are an image's, and this is a bundle")
	case d.LogFile != "" && d.Syslog != "":
		return errors.New("log-file and syslog exclude each other")
	}
	return nil
}

// WithImage gives the text of a declaration with another image; all else stays.
func WithImage(data []byte, image string) ([]byte, error) {
	var out strings.Builder
	found := 0
	for line := range strings.Lines(string(data)) {
		name, _, ok := strings.Cut(line, "=")
		if ok && strings.TrimSpace(name) == "image" {
			found++
			end := line[len(strings.TrimRight(line, "\r\n")):]
			line = name + "= " + image + end
		}
		out.WriteString(line)
	}
	if found != 1 {
		return nil, errors.New("it has no line \"image = NAME\" that could be changed")
	}
	return []byte(out.String()), nil
}
