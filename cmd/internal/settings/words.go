package settings

// A command as a line of text. It is no shell's: nothing is expanded.

import (
	"errors"
	"fmt"
	"strings"
)

// Words splits at blanks. Between double quotes a blank is itself, and so is
// what follows a backslash anywhere.
func Words(line string) (words []string, err error) {
	var word strings.Builder
	begun, quoted, escaped := false, false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			begun, escaped = true, true
		case r == '"':
			begun, quoted = true, !quoted
		case (r == ' ' || r == '\t') && !quoted:
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quoted || escaped {
		return nil, fmt.Errorf("%q ends within quotes, or with a backslash", line)
	}
	if begun {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("want a program and its arguments")
	}
	return words, nil
}

// Join is a line that Words makes the same words of.
func Join(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsAny(w, " \t\"\\") {
			quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w) + `"`
		}
	}
	return strings.Join(quoted, " ")
}
