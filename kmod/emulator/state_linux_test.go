package emulator

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestParseState(t *testing.T) {
	const head = `{"version":1,"boot":"b","next":8}` + "\n"
	for name, tt := range map[string]struct{ in, want string }{
		"empty":           {"", "line 1"},
		"other version":   {`{"version":2}`, "version 2"},
		"no JSON":         {head + "7 web\n", "line 2"},
		"id from 0":       {head + "0 web {}\n", "line 2"},
		"id not given":    {head + "8 web {}\n", "out of order"},
		"ids descending":  {head + "5 web {}\n4 db {}\n", "line 3"},
		"name with slash": {head + "5 a/b {}\n", "line 2"},
	} {
		if _, err := parseState([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: parseState = %v; want an error with %q", name, err, tt.want)
		}
	}
	s, err := parseState([]byte(head + `7 web {"spec":{"name":"db"}}` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.find(7); err == nil {
		t.Error("a line whose two names differ is accepted")
	}
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte(`{"version":1,"boot":"b","next":8}` + "\n" + `7 web {"spec":{"name":"web"},"created":5}` + "\n"))
	f.Add([]byte(`{"version":1}` + "\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := parseState(in)
		if err != nil {
			return
		}
		out, err := s.format()
		if err != nil {
			t.Fatalf("format: %v", err)
		}
		again, err := parseState(out)
		if err != nil {
			t.Fatalf("parse of the formatted: %v", err)
		}
		if len(again.rows) != len(s.rows) || again.Next != s.Next {
			t.Fatalf("%d rows, next %d; want %d, %d", len(again.rows), again.Next, len(s.rows), s.Next)
		}
		for i, r := range s.rows {
			if !bytes.Equal(again.rows[i].data, r.data) {
				t.Fatalf("row %d = %q; want %q", i, again.rows[i].data, r.data)
			}
			_, _ = r.decode()
		}
	})
}

func FuzzParseStat(f *testing.F) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("1 (a) b) c) S 1"))
	f.Fuzz(func(_ *testing.T, in []byte) { _, _ = parseStat(in) })
}
