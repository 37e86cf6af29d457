package sys

import "testing"

// The same number of ticks after another boot is another process.
func TestStartIsOfOneBoot(t *testing.T) {
	if startMark(4711, "a") == startMark(4711, "b") || startMark(4711, "a") == startMark(4712, "a") {
		t.Error("boots or ticks are not told apart")
	}
}
