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
	r.Judge()
	if want := (Summary{Passed: 1, Failed: 3, Known: 1}); r.Summary != want {
		t.Errorf("summary = %+v; want %+v", r.Summary, want)
	}
	if x := r.Results[1]; x.Outcome != Known || x.Reason != OnlyHere {
		t.Errorf("a failure of one yardstick = %v, %q; want a known difference", x.Outcome, x.Reason)
	}
}
