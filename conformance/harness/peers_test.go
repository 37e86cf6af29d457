package harness

import "testing"

func TestJudgeBlamesTheCaseWhenAllPeersFail(t *testing.T) {
	r := &Report{
		Runtimes: []Target{{Name: "ours"}, {Name: "a", Peer: true}, {Name: "b", Peer: true}},
		Results: []Result{
			{Runtime: "ours", Case: "x", Outcome: Fail},
			{Runtime: "a", Case: "y", Outcome: Fail},
			{Runtime: "b", Case: "y", Outcome: Pass},
			{Runtime: "a", Case: "z", Outcome: Fail},
			{Runtime: "b", Case: "z", Outcome: Fail},
		},
	}
	r.Judge(false)
	if want := (Summary{Passed: 1, Failed: 3, Known: 1}); r.Summary != want {
		t.Errorf("summary = %+v; want %+v", r.Summary, want)
	}
	if x := r.Results[1]; x.Outcome != Known || x.Reason != OnlyHere {
		t.Errorf("a failure of one yardstick = %v, %q; want a known difference", x.Outcome, x.Reason)
	}
}

// Where a suite compares, the one yardstick may fail alone; the runtime under
// test may not.
func TestJudgeOneYardstick(t *testing.T) {
	r := &Report{
		Runtimes: []Target{{Name: "ours"}, {Name: "a", Peer: true}},
		Results: []Result{
			{Runtime: "a", Case: "x", Outcome: Fail},
			{Runtime: "ours", Case: "x", Outcome: Pass},
			{Runtime: "a", Case: "y", Outcome: Pass},
			{Runtime: "ours", Case: "y", Outcome: Fail},
			{Runtime: "a", Case: "z", Outcome: Fail},
			{Runtime: "ours", Case: "z", Outcome: Fail},
		},
	}
	r.Judge(true)
	if want := (Summary{Passed: 2, Failed: 3, Known: 1}); r.Summary != want {
		t.Errorf("summary = %+v; want %+v", r.Summary, want)
	}
}
