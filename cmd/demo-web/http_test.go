package main

import (
	"bufio"
	"strings"
	"testing"
)

func TestReadHead(t *testing.T) {
	for in, want := range map[string]string{
		"GET / HTTP/1.0\r\nHost: x\r\n\r\nbody": "GET / HTTP/1.0",
		"GET / HTTP/1.0\n\n":                    "GET / HTTP/1.0",
		"\r\n":                                  "",
	} {
		if got, err := readHead(bufio.NewReader(strings.NewReader(in))); got != want || err != nil {
			t.Errorf("readHead(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := readHead(bufio.NewReader(strings.NewReader("GET / HTTP/1.0\r\n"))); err == nil {
		t.Error("a head that is cut off must be an error")
	}
}

func FuzzReadHead(f *testing.F) {
	f.Add("GET / HTTP/1.0\r\n\r\n")
	f.Add("\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		first, err := readHead(bufio.NewReader(strings.NewReader(in)))
		if strings.ContainsAny(first, "\n") {
			t.Errorf("readHead(%q) = %q, %v: more than a line", in, first, err)
		}
	})
}
