package completion

// The command that the scripts call: runcell completion words.

import (
	"context"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/urfave/cli/v3"
)

// Command is the command "words". Elsewhere, if not nil, answers for a command
// of another program, and tells whether it did.
func Command(t func() Table, elsewhere func(command string) (done bool, err error)) *cli.Command {
	return &cli.Command{
		Name:        "words",
		Usage:       "print what can stand in the last word's place",
		ArgsUsage:   "WORD…",
		Description: `The scripts of the shells call it. Nothing that is typed is executed or expanded.`,
		Hidden:      true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "line", Usage: "the words are those of `TEXT`, the command line as it is typed up to the cursor"},
			&cli.StringFlag{Name: "end", Usage: "the shell replaces only `TEXT`, the end of the last word; with --line"},
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			words, inFile, err := typed(cmd)
			if err != nil {
				return err
			}
			root := cmd.Root()
			if w := Walk(root, words); elsewhere != nil && !inFile {
				if done, err := elsewhere(w.Command); done || err != nil {
					return err
				}
			}
			list := t().Complete(root, words, inFile)
			if cmd.IsSet("line") {
				list = asTyped(list, words[len(words)-1], cmd.String("end"))
			}
			return write(cmd.Root().Writer, list)
		},
	}
}

// typed gives the words without the name of the program.
func typed(cmd *cli.Command) (words []Typed, inFile bool, err error) {
	if cmd.IsSet("line") {
		words, inFile = Split(cmd.String("line"))
		if len(words) > 1 {
			return words[1:], inFile, nil
		}
	} else if words, inFile = Words(cmd.Args().Slice()); len(words) > 0 {
		return words, inFile, nil
	}
	return nil, false, errors.New("completion words needs the words that are typed; the scripts of \"runcell completion bash\" and its kin call it")
}

// asTyped gives words in the form of a shell that puts them into its line as
// they are, in the place of end.
func asTyped(list []Word, last Typed, end string) (out []Word) {
	// What stands before end stays. A quote that is open was left out of it.
	head, ok := strings.CutSuffix(last.Text, One(string(quoteOf(last))+end).Text)
	if !ok {
		return nil
	}
	for _, w := range list {
		out = append(out, Word{last.Quote(strings.TrimPrefix(w.Text, head)), w.About})
	}
	return out
}

func quoteOf(t Typed) []byte {
	if t.quote == 0 {
		return nil
	}
	return []byte{t.quote}
}

// Quote spells a text so that it means itself where this word is typed.
func (t Typed) Quote(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		special := !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_+-.,/:@%=", r)
		switch {
		case t.quote == '\'' && r == '\'':
			b.WriteString(`'\'`)
		case t.quote == '"' && r == '!': // bash looks for it before quotes, and a backslash stays there
			b.WriteString(`"\!"`)
			text = text[size:]
			continue
		case t.quote == '"' && strings.ContainsRune("\\\"$`", r), t.quote == 0 && special:
			b.WriteByte('\\')
		}
		b.WriteString(text[:size]) // as it is: a file's name need not be UTF-8
		text = text[size:]
	}
	return b.String()
}

// write prints a word a line, with what it is behind a tab.
func write(out io.Writer, list []Word) error {
	lines := make([]string, len(list))
	for i, w := range list {
		lines[i] = w.Text
		if w.About != "" {
			lines[i] += "\t" + cmdline.OneLine(w.About)
		}
	}
	return cmdline.WriteLines(out, lines)
}
