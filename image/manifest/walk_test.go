package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// graph is what leads where, by one-letter names.
type graph map[string]string

func node(name string) v1.Descriptor { return v1.Descriptor{Digest: digest.Digest(name)} }

// walk gives the names in the order of the walk: x when it is entered, X when it
// is left.
func (g graph) walk(w *Walk, roots string, enter func(n *Node, err error) error) (string, error) {
	var order []string
	lead := func(names string) (list []v1.Descriptor) {
		for _, r := range names {
			list = append(list, node(string(r)))
		}
		return list
	}
	w.Enter = func(n *Node, err error) ([]v1.Descriptor, error) {
		order = append(order, string(n.Digest))
		return lead(g[string(n.Digest)]), enter(n, err)
	}
	w.Leave = func(n *Node) error {
		order = append(order, strings.ToUpper(string(n.Digest)))
		return nil
	}
	err := w.From(lead(roots)...)
	return strings.Join(order, ""), err
}

func TestWalk(t *testing.T) {
	g := graph{"a": "bcb", "b": "d", "c": "dea", "f": "ag"}
	pass := func(_ *Node, err error) error { return err }
	w := &Walk{}
	if got, err := g.walk(w, "aa", pass); got != "abdDBceECA" || err != nil {
		t.Errorf("the walk is %q, %v", got, err)
	}
	if got, err := g.walk(w, "f", pass); got != "fgGF" || err != nil {
		t.Errorf("from another root on, the walk is %q, %v", got, err)
	}
	if !w.Seen("e") || w.Seen("x") {
		t.Errorf("Seen(e) = %v, Seen(x) = %v", w.Seen("e"), w.Seen("x"))
	}
	bad := errors.New("bad")
	got, err := g.walk(&Walk{}, "a", func(n *Node, err error) error {
		if n.Digest == "d" {
			return bad
		}
		return err
	})
	if got != "abd" || !errors.Is(err, bad) {
		t.Errorf("the walk with an error is %q, %v", got, err)
	}
	parents := map[string]string{}
	g.walk(&Walk{}, "a", func(n *Node, err error) error {
		if n.Parent != nil {
			parents[string(n.Digest)] = string(n.Parent.Digest)
		}
		return err
	})
	if got := fmt.Sprint(parents); got != "map[b:a c:a d:b e:c]" {
		t.Errorf("parents are %s", got)
	}
}

// A blob is visited as everything that it is used as, and as each once.
func TestWalkUses(t *testing.T) {
	d := v1.Descriptor{Digest: "x", MediaType: v1.MediaTypeImageLayer, Size: 1}
	m, s := d, d
	m.MediaType = v1.MediaTypeImageManifest
	s.Size = 2
	var got []string
	w := &Walk{Enter: func(n *Node, _ error) ([]v1.Descriptor, error) {
		got = append(got, fmt.Sprint(n.MediaType, n.Size, n.Again))
		return nil, nil
	}}
	if err := w.From(d, m, s, d, m, s); err != nil {
		t.Fatal(err)
	}
	want := []string{v1.MediaTypeImageLayer + "1 false", v1.MediaTypeImageManifest + "1 true", v1.MediaTypeImageLayer + "2 true"}
	if !slices.Equal(got, want) {
		t.Errorf("the walk is %q; want %q", got, want)
	}
}

// What is nested too deeply is told of once, and nothing below it is visited.
func TestWalkNesting(t *testing.T) {
	deep, names := graph{}, "abcdefghijklmnop"
	for i := range len(names) - 1 {
		deep[names[i:i+1]] = names[i+1 : i+2]
	}
	var told []string
	got, err := deep.walk(&Walk{}, "az", func(n *Node, err error) error {
		if err != nil {
			told = append(told, string(n.Digest))
		}
		return nil
	})
	if want := "abcdefghijJIHGFEDCBAzZ"; got != want || err != nil || !slices.Equal(told, []string{"j"}) {
		t.Errorf("the walk is %q, %v, told of %q; want %q", got, err, told, want)
	}
}
