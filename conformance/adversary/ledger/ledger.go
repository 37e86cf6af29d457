// Package ledger is the list of what a cell may do: what the adversary tried
// and was not refused, each line with a reason. It knows neither how things
// are tried nor on which system.
package ledger

import (
	"bufio"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Outcome is one thing that was not refused.
type Outcome struct {
	Kind string // syscall, ioctl, socket, …; effect for what the host saw
	Name string // getpid; of an effect, what caused it: syscall/kill
	At   string // against whom; of an effect, what changed
	As   string // who tried it
}

// String is the outcome as a line of the list without its reason.
func (o Outcome) String() string { return strings.Join([]string{o.Kind, o.Name, o.At, o.As}, " ") }

// Entry is a line of the list. It allows every pair of At and As.
type Entry struct {
	Kind, Name string
	At, As     []string
	// Maybe: with another configuration of the kernel it may not happen.
	Maybe bool
	Why   string // a class, and perhaps a colon and more

	Where string // file and line
}

// outcomes are all that the entry allows.
func (e *Entry) outcomes() (list []Outcome) {
	for _, at := range e.At {
		for _, as := range e.As {
			list = append(list, Outcome{e.Kind, e.Name, at, as})
		}
	}
	return list
}

// List is a whole list.
type List struct {
	Classes map[string]string // what each reason means
	Entries []Entry
}

//go:embed lists
var lists embed.FS

// Load reads the list of this tree.
func Load() (*List, error) {
	l := &List{Classes: map[string]string{}}
	names, err := fs.Glob(lists, "lists/*.txt")
	if err != nil {
		return nil, fmt.Errorf("find lists: %w", err)
	}
	for _, name := range names {
		f, err := lists.Open(name)
		if err != nil {
			return nil, fmt.Errorf("open list: %w", err)
		}
		err = l.read(strings.TrimPrefix(name, "lists/"), f)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return l, l.check()
}

// Parse reads one list.
func Parse(name string, r io.Reader) (*List, error) {
	l := &List{Classes: map[string]string{}}
	if err := l.read(name, r); err != nil {
		return nil, err
	}
	return l, l.check()
}

// maxLine is how many bytes a line may have.
const maxLine = 1000

func (l *List) read(name string, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		where := fmt.Sprintf("%s:%d", name, n)
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if err := l.line(where, text); err != nil {
			return fmt.Errorf("read list: %s: %w", where, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read list %s: %w", name, err)
	}
	return nil
}

// word is what kinds, names, targets and subjects are made of.
var word = regexp.MustCompile(`^[A-Za-z0-9_.:/+=!<>-]+$`)

func (l *List) line(where, text string) error {
	fields := strings.Fields(text)
	if fields[0] == "class" {
		if len(fields) < 4 || !word.MatchString(fields[1]) {
			return fmt.Errorf("class %q: it needs a name and a sentence", text)
		}
		if _, twice := l.Classes[fields[1]]; twice {
			return fmt.Errorf("class %s is there twice", fields[1])
		}
		l.Classes[fields[1]] = strings.Join(fields[2:], " ")
		return nil
	}
	if len(fields) < 5 {
		return fmt.Errorf("line %q: it needs a kind, a name, at, as, and a reason", text)
	}
	e := Entry{Kind: fields[0], Name: fields[1], At: strings.Split(fields[2], ","), As: strings.Split(fields[3], ","), Where: where}
	for _, w := range slices.Concat([]string{e.Kind, e.Name}, e.At, e.As) {
		if !word.MatchString(w) {
			return fmt.Errorf("line %q: %q is no word", text, w)
		}
	}
	why := fields[4:]
	if e.Maybe = why[0] == "maybe"; e.Maybe {
		why = why[1:]
	}
	e.Why = strings.Join(why, " ")
	l.Entries = append(l.Entries, e)
	return nil
}

// check finds reasons that are none, and outcomes that are there twice.
func (l *List) check() error {
	used, seen := map[string]bool{}, map[Outcome]string{}
	for _, e := range l.Entries {
		class, more, has := strings.Cut(e.Why, ":")
		if l.Classes[class] == "" || has && strings.TrimSpace(more) == "" {
			return fmt.Errorf("%s: reason %q: it begins with no class that is explained", e.Where, e.Why)
		}
		used[class] = true
		for _, o := range e.outcomes() {
			if other := seen[o]; other != "" {
				return fmt.Errorf("%s: %s is in %s already", e.Where, o, other)
			}
			seen[o] = e.Where
		}
	}
	for _, class := range slices.Sorted(maps.Keys(l.Classes)) {
		if !used[class] {
			return fmt.Errorf("class %s has no line: take it out", class)
		}
	}
	return nil
}
