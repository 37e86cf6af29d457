package completion

// What is typed: words as a shell would make them, but for expansions.

import "strings"

// Typed is a word as far as it is typed, without its quotes.
type Typed struct {
	Text string
	// Opaque: a shell would expand it (a variable, a command, a home
	// directory), so what the program would get is not known.
	Opaque bool
	quote  byte // the quote that is still open, or 0
}

// splitter makes words of a command line.
type splitter struct {
	done     []Typed
	word     Typed
	begun    bool // word has begun, perhaps with an empty quote
	redirect bool // word is the file of a redirection
}

// Split gives the words of the last command in a line, the last word being the
// one that is typed right now. Redirections are left out; inFile tells that the
// last word is the file of one.
func Split(line string) (words []Typed, inFile bool) {
	s := splitter{}
	for i := 0; i < len(line); {
		i += s.next(line[i:])
	}
	return append(s.done, s.word), s.redirect
}

// next takes in the beginning of rest and tells its length.
func (s *splitter) next(rest string) int {
	c := rest[0]
	switch {
	case s.word.quote != 0:
		return s.quoted(rest)
	case c == '\\':
		if len(rest) == 1 {
			return 1
		}
		s.add(rest[1:2])
		return 2
	case c == '\'' || c == '"':
		s.word.quote, s.begun = c, true
	case c == '`' || strings.HasPrefix(rest, "$("):
		n := substitution(rest)
		s.add(rest[:n])
		s.word.Opaque = true
		return n
	case c == ' ' || c == '\t':
		s.end()
	case c == '<' || c == '>' || strings.HasPrefix(rest, "&>"):
		if s.begun && strings.Trim(s.word.Text, "0123456789") == "" {
			s.word, s.begun = Typed{}, false // the descriptor's number
		}
		s.end()
		s.redirect = true
		return 1 + len(rest[1:]) - len(strings.TrimLeft(rest[1:], "<>&|"))
	case strings.IndexByte(";|&()\n", c) >= 0:
		*s = splitter{} // another command begins
	default:
		s.word.Opaque = s.word.Opaque || c == '$' || c == '~' && !s.begun
		s.add(rest[:1])
	}
	return 1
}

// quoted is next between quotes.
func (s *splitter) quoted(rest string) int {
	c, double := rest[0], s.word.quote == '"'
	switch {
	case c == s.word.quote:
		s.word.quote = 0
	case double && c == '\\' && len(rest) > 1 && strings.IndexByte("\\\"$`", rest[1]) >= 0:
		s.add(rest[1:2])
		return 2
	default:
		s.word.Opaque = s.word.Opaque || double && (c == '$' || c == '`')
		s.add(rest[:1])
	}
	return 1
}

func (s *splitter) add(text string) {
	s.word.Text += text
	s.begun = true
}

// end ends a word, if one has begun.
func (s *splitter) end() {
	if !s.begun {
		return
	}
	if !s.redirect {
		s.done = append(s.done, s.word)
	}
	s.word, s.begun, s.redirect = Typed{}, false, false
}

// substitution is the length of a command that a shell would run here: up to
// the parenthesis or backquote that ends it, or all of it.
func substitution(s string) int {
	if s[0] == '`' {
		if i := strings.IndexByte(s[1:], '`'); i >= 0 {
			return i + 2
		}
		return len(s)
	}
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// One is a single word, with the quotes that it was typed with.
func One(raw string) Typed {
	s := splitter{}
	for i := 0; i < len(raw); {
		if s.word.quote == 0 && strings.IndexByte(" \t<>;|&()\n", raw[i]) >= 0 {
			s.add(raw[i : i+1])
			i++
			continue
		}
		i += s.next(raw[i:])
	}
	return s.word
}

// Words are words that a shell has separated, with their quotes; for the rest
// see Split.
func Words(raw []string) (words []Typed, inFile bool) {
	for i, r := range raw {
		last := i == len(raw)-1
		switch {
		case isRedirection(r) && !last:
			inFile = true
		case inFile && !last:
			inFile = false // this was the file
		default:
			words = append(words, One(r))
		}
	}
	return words, inFile
}

func isRedirection(s string) bool {
	s = strings.TrimLeft(s, "0123456789&")
	return s != "" && strings.Trim(s, "<>&|") == "" && strings.ContainsAny(s[:1], "<>")
}
