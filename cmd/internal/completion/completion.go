package completion

// From words to what can stand in the last one's place, by the program's own
// tree of commands and flags.

import (
	"slices"
	"strings"
	"unicode"

	"github.com/urfave/cli/v3"
)

// Word can stand at the cursor.
type Word struct {
	Text  string
	About string // one line, or empty
}

// Query is what is known where the cursor is.
type Query struct {
	Root    *cli.Command      // the program
	Command string            // its path, such as "image pull"; the programs' root is ""
	Flags   map[string]string // that are given, with their values, by their first names
	Args    []string          // before the cursor
	Word    string            // as far as it is typed, without its quotes
	Unknown bool              // a word is typed before that only the shell can read
}

// Offer gives the words that can stand at the cursor. Those that do not begin
// with what is typed are left out by who asks.
type Offer func(Query) []Word

// Table says what arguments and values are.
type Table struct {
	// Args are the arguments of a command, by its path. The last one of a list
	// that Repeats names may be given again and again.
	Args    map[string][]Offer
	Repeats []string
	// Flags are values by the flag's name, or the name that its help gives the
	// value; nil = there is nothing to offer.
	Flags map[string]Offer
}

// walk is a way through the commands.
type walk struct {
	Query
	at     *cli.Command
	above  []*cli.Command
	value  cli.Flag // whose value comes next
	plain  bool     // "--" was given: no flag follows
	silent bool     // nothing is known about what follows
}

// Complete gives the words that can stand in the place of the last one.
func (t Table) Complete(root *cli.Command, words []Typed, inFile bool) []Word {
	last := words[len(words)-1]
	if last.Opaque {
		return nil
	}
	if inFile {
		return begin(Files(Query{Word: last.Text}), last.Text)
	}
	w := Walk(root, words)
	w.Word = last.Text
	return begin(t.offer(w), last.Text)
}

// Walk follows the words before the last one.
func Walk(root *cli.Command, words []Typed) *walk {
	w := &walk{at: root, Query: Query{Root: root, Flags: map[string]string{}}}
	for _, word := range words[:len(words)-1] {
		w.Unknown = w.Unknown || word.Opaque
		w.step(word.Text)
	}
	return w
}

func (w *walk) step(word string) {
	switch {
	case w.value != nil:
		w.Flags[w.value.Names()[0]] = word
		w.value = nil
	case !w.plain && word == "--":
		w.plain = true
	case w.isFlag(word):
		name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
		f := w.flag(name)
		if f == nil {
			return
		}
		w.Flags[f.Names()[0]] = value
		if takesValue(f) && !given {
			w.value = f
		}
	case len(w.at.Commands) > 0 && len(w.Args) == 0:
		next := w.at.Command(word)
		if next == nil {
			w.silent = true
			return
		}
		w.above, w.at = append(w.above, w.at), next
		w.Command = strings.TrimSpace(w.Command + " " + next.Name)
	default:
		w.Args = append(w.Args, word)
		// What follows belongs to another program.
		w.plain = w.plain || w.at.StopOnNthArg != nil && len(w.Args) >= *w.at.StopOnNthArg
	}
}

func (w *walk) isFlag(word string) bool {
	return !w.plain && len(word) > 1 && word[0] == '-'
}

// flags are those of the command and, where they hold for all, those above it.
func (w *walk) flags() []cli.Flag {
	list := slices.Clone(w.at.Flags)
	for _, c := range w.above {
		for _, f := range c.Flags {
			if l, ok := f.(cli.LocalFlag); !ok || !l.IsLocal() {
				list = append(list, f)
			}
		}
	}
	return list
}

func (w *walk) flag(name string) cli.Flag {
	for _, f := range w.flags() {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	if b, ok := f.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
		return false
	}
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func (t Table) offer(w *walk) []Word {
	switch {
	case w.silent:
		return nil
	case w.value != nil:
		return t.values(w.value, w.Query)
	case !w.plain && strings.HasPrefix(w.Word, "-"):
		return t.offerFlags(w)
	case len(w.at.Commands) > 0:
		return Commands(w.at)
	}
	list := t.Args[w.Command]
	n := len(w.Args)
	if n >= len(list) && len(list) > 0 && slices.Contains(t.Repeats, w.Command) {
		n = len(list) - 1
	}
	if n >= len(list) {
		return nil
	}
	return slices.DeleteFunc(list[n](w.Query), func(word Word) bool { return w.isFlag(word.Text) || slices.Contains(w.Args, word.Text) })
}

// Commands are the commands of a command.
func Commands(cmd *cli.Command) (words []Word) {
	for _, c := range cmd.Commands {
		if !c.Hidden {
			words = append(words, Word{c.Name, c.Usage})
		}
	}
	return words
}

// offerFlags gives the flags that are not given yet, or the values of one that
// is typed as --NAME=.
func (t Table) offerFlags(w *walk) (words []Word) {
	if name, value, ok := strings.Cut(w.Word, "="); ok {
		f := w.flag(strings.TrimLeft(name, "-"))
		if f == nil || !takesValue(f) {
			return nil
		}
		q := w.Query
		q.Word = value
		for _, v := range t.values(f, q) {
			words = append(words, Word{name + "=" + v.Text, v.About})
		}
		return words
	}
	for _, f := range w.flags() {
		name := f.Names()[0]
		_, given := w.Flags[name]
		d, _ := f.(cli.DocGenerationFlag)
		many, _ := f.(cli.DocGenerationMultiValueFlag)
		inert, _ := f.(cli.CategorizableFlag)
		switch {
		case given && (many == nil || !many.IsMultiValueFlag()):
		case inert != nil && inert.GetCategory() != "": // it does nothing
		default:
			words = append(words, Word{"--" + name, strings.ReplaceAll(d.GetUsage(), "`", "")})
		}
	}
	return append(words, Word{"--help", "show help"})
}

// values gives those of a flag: what the table says of its name or of what its
// help calls the value, or the words that the help lists.
func (t Table) values(f cli.Flag, q Query) []Word {
	name := Placeholder(f)
	for _, key := range []string{f.Names()[0], name} {
		if offer, ok := t.Flags[key]; ok {
			if offer == nil {
				return nil
			}
			return offer(q)
		}
	}
	if !strings.Contains(name, "|") {
		return nil
	}
	var words []Word
	for _, v := range strings.Split(name, "|") {
		words = append(words, Word{Text: v})
	}
	return words
}

// Placeholder is what a flag's help calls its value.
func Placeholder(f cli.Flag) string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	parts := strings.Split(d.GetUsage(), "`")
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

// begin keeps the words that begin with what is typed, sorted and once each. One
// that would do harm on a terminal is left out: a file, an image or a container
// may have it from anybody.
func begin(words []Word, typed string) []Word {
	words = slices.DeleteFunc(words, func(w Word) bool {
		return w.Text == "" || !strings.HasPrefix(w.Text, typed) || strings.ContainsFunc(w.Text, unseen)
	})
	slices.SortFunc(words, func(a, b Word) int { return strings.Compare(a.Text, b.Text) })
	return slices.CompactFunc(words, func(a, b Word) bool { return a.Text == b.Text })
}

func unseen(r rune) bool { return !unicode.IsGraphic(r) }
