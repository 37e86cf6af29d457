package oci

// Misspelt names. The specification wants unknown properties to be ignored
// (config.md, "Extensibility"), and so a letter too many would leave a cell open
// that was to be closed. So a name that looks like one that is known is an
// error; all others are told, and ignored.

import (
	"fmt"
	"strings"

	"github.com/netbsd-cells/runcell/oci/strictjson"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Nearest gives the known name that looks like a name, or "".
func Nearest(name string, known []string) string {
	best, least := "", len(name)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d <= slips(k) && d < least {
			best, least = k, d
		}
	}
	return best
}

// slips is how many letters may be wrong in a name that is still taken for
// another: none in the shortest, which differ by one from too many.
func slips(known string) int {
	switch n := len(known); {
	case n < 4:
		return 0
	case n < 8:
		return 1
	}
	return 2
}

// distance counts the letters that are missing, too many, wrong, or swapped with
// their neighbour (Damerau and Levenshtein, optimal string alignment). One that
// is larger than what slips allows need not be exact.
func distance(a, b string) int {
	const most = 2
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row := rows[(i-1)%3], rows[i%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}

// misspelt gives the field that an unknown one looks like, or "", and those that
// are there.
func misspelt(u strictjson.Unknown) (near string, known []string) {
	for _, f := range strictjson.Fields(u.Struct) {
		known = append(known, f.Name)
	}
	return Nearest(u.Name, known), known
}

// misspeltError is the error of an object that is not a whole configuration, for
// those of its unknown fields that look like known ones, or nil.
func misspeltError(unknown []strictjson.Unknown) error {
	for _, u := range unknown {
		if near, _ := misspelt(u); near != "" {
			return fmt.Errorf("%s: unknown field; did you mean %s?", u.Field, near)
		}
	}
	return nil
}

// section is the configuration's part that only cells have: all of it is ours,
// so nothing in it can be an extension.
const section = "netbsd."

// unknown judges a field that is not known.
func (c *compiler) unknown(u strictjson.Unknown) {
	near, known := misspelt(u)
	switch {
	case near != "":
		c.fatal(u.Field, "", "unknown field; did you mean "+near+"? Correct it, or take it out")
	case strings.HasPrefix(u.Field, section):
		c.fatal(u.Field, "", "unknown field; there are "+strings.Join(known, ", "))
	default:
		c.refused(u.Field, "", "not a field of runtime-spec "+specs.Version+" or of the netbsd section; ignored")
	}
}
