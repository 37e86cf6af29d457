package harness

// Yardsticks: other runtimes that the suite itself is checked against.

// OnlyHere is the reason given for a failure of one yardstick that another
// one does not share.
const OnlyHere = "failed in this run, and another runtime passes: it says nothing of the suite"

// Judge turns a yardstick's unexpected failure into a known difference,
// unless every yardstick fails the case: then the case is wrong, or lacks its
// reason. Where a suite compares, the runtime under test is a witness for the
// case as well, since the case says what it has to show. It counts the results
// anew.
func (r *Report) Judge(compares bool) {
	peers, witnesses := map[string]bool{}, map[string]bool{}
	for _, t := range r.Runtimes {
		if t.Peer {
			peers[t.Name] = true
		}
		if t.Peer || compares {
			witnesses[t.Name] = true
		}
	}
	fails := map[string]int{}
	for _, x := range r.Results {
		if witnesses[x.Runtime] && x.Outcome == Fail {
			fails[x.Case]++
		}
	}
	r.Summary = Summary{}
	for i := range r.Results {
		x := &r.Results[i]
		if peers[x.Runtime] && x.Outcome == Fail && fails[x.Case] < len(witnesses) {
			x.Outcome, x.Reason = Known, OnlyHere
		}
		r.Summary.Add(*x)
	}
}
