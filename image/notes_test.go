package image

import (
	"fmt"
	"strings"
	"testing"
)

// An image chooses how many notes there are, and what is in them.
func TestNotesHaveALimit(t *testing.T) {
	n := &Notes{}
	for i := range 10_000 {
		n.Add(strings.Repeat("x", 5000), fmt.Sprint(i, strings.Repeat("y", 5000)))
	}
	n.Merge([]Note{{"a", "b", 3}})
	n.Merge([]Note{{"a", n.List[0].Reason, 3}})
	total, count := 0, 0
	for _, x := range n.List {
		total += len(x.String())
		count += x.Count
	}
	if len(n.List) != 101 || total > 250_000 || count != 10_006 {
		t.Errorf("%d notes of %d bytes, count %d", len(n.List), total, count)
	}
}

func TestComponents(t *testing.T) {
	for name, want := range map[string]string{
		"a/../b": "b", "a/b/../../c": "c", "/a/./..": "", "a/..b": "a/..b", "a//b/": "a/b",
		"..": `leads out`, "a/../../b": "leads out", "/../x": "leads out", "": "empty name", "a\x00/..": "NUL",
	} {
		names, err := Components(name, 0)
		if got := strings.Join(names, "/"); err == nil && got != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Components(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
}
