package harness

// How long is too long: a limit only ends what would never end. It is given
// for an idle machine, and stretched by what else this one has to do.

import "time"

// slowness is how many times longer than alone on an idle machine a process may
// take where load of them want cpus processors. The suite's own load is in it.
// There is a most, so that what never ends does not take hours.
func slowness(load float64, cpus int) float64 {
	const most = 10
	return min(1+load/float64(max(cpus, 1)), most)
}

func stretched(d time.Duration, slow float64) time.Duration {
	return time.Duration(float64(d) * slow)
}

// Limit is how long something may take that takes less than d on an idle
// machine.
func (t *T) Limit(d time.Duration) time.Duration { return stretched(d, t.slow) }
