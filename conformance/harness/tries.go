package harness

// How often the cases that need luck to see a fault try.

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// TriesVar is the environment variable with the number of tries of each case
// that Tries counts, for those who have the time.
const TriesVar = "CONFORMANCE_TRIES"

// tries is what TriesVar says; 0: nothing.
func tries() (int, error) {
	text, ok := os.LookupEnv(TriesVar)
	if !ok {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("read %s: %q is no number from 1", TriesVar, text)
	}
	return n, nil
}

// Tries is how often a case tries that is content with few every day.
func (t *T) Tries(few int) int {
	n, err := tries()
	t.Must("find number of tries", err)
	if n > 0 {
		return n
	}
	return few
}

// Long bounds a case of Tries, each of which takes less than d on an idle
// machine.
func Long(few int, each time.Duration) time.Duration {
	n, err := tries()
	if err != nil || n == 0 { // Tries says what is wrong
		n = few
	}
	return max(DefaultTimeout, time.Duration(n)*each)
}
