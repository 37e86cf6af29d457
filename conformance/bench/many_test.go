package main

import (
	"slices"
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "500,10,10": {10, 500}, "7": {7}} {
		if got, err := numbers(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("numbers(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "10,", "-1", "many"} {
		if got, err := numbers(text); err == nil || !strings.Contains(err.Error(), "10,500") {
			t.Errorf("numbers(%q) = %v, %v; want an error that shows how", text, got, err)
		}
	}
}
