package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	s, err := parse([]byte("mixed 1 10\nmixed 1000 11\nmixed 1 12\nmixed 1000 13\nbind 1 2.5\nbind 1000 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	s.print(&b, 2)
	for _, want := range []string{
		"mixed     11.0    12.0         1.09   target: at most 1.1\n",
		"bind      2.5     5.0          2.00   \n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table has no line %q:\n%s", want, b.String())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("mixed 1 10\nmixed 1000 11\n"))
	f.Add([]byte("mixed 1 10\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parse(text)
		if err != nil {
			return
		}
		var b strings.Builder
		s.print(&b, 1)
		for _, kind := range s.kinds {
			if !strings.Contains(b.String(), kind) {
				t.Errorf("%q is not in the table", kind)
			}
		}
	})
}
