package image

// Notes about what was not carried out as the image says. Images choose how many
// there are and what is in them, so their number and length have limits.

import "fmt"

const (
	maxNotes = 100  // distinct reasons
	maxNote  = 1000 // bytes of a place or a reason
)

// moreNotes is the reason of all notes after the first maxNotes.
const moreNotes = "there are more kinds of notes than are kept"

// Note tells of something that was not carried out as the image says. Equal
// reasons are counted, not repeated.
type Note struct {
	Where  string `json:"where"` // the first place: an entry or a config field
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// String is the note as a user reads it, on one line.
func (n Note) String() string {
	if n.Count > 1 {
		return fmt.Sprintf("%s and %d more: %s", n.Where, n.Count-1, n.Reason)
	}
	return n.Where + ": " + n.Reason
}

// Notes collects Notes; their number is that of distinct reasons, and at most 101.
type Notes struct{ List []Note }

// Add adds a note, or counts it if there is one with the same reason.
func (n *Notes) Add(where, reason string) {
	n.Merge([]Note{{Where: cut(where), Reason: cut(reason), Count: 1}})
}

// Merge adds notes that somebody else has collected.
func (n *Notes) Merge(list []Note) {
	for _, x := range list {
		switch {
		case n.counted(x):
			continue
		case len(n.List) >= maxNotes:
			if x.Reason = moreNotes; n.counted(x) {
				continue
			}
		}
		n.List = append(n.List, x)
	}
}

// counted counts a note if there is one with its reason.
func (n *Notes) counted(x Note) bool {
	for i := range n.List {
		if n.List[i].Reason == x.Reason {
			n.List[i].Count += x.Count
			return true
		}
	}
	return false
}

func cut(s string) string {
	if len(s) > maxNote {
		return s[:maxNote] + "..."
	}
	return s
}
