package cmdline

// Flags whose value is a length of time.

import (
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/duration"
	"github.com/urfave/cli/v3"
)

// TimeFlag is a flag for a length of time, see duration.Parse. cli.Command.Duration
// gives its value.
type TimeFlag = cli.FlagBase[time.Duration, cli.NoConfig, aTime]

type aTime time.Duration

// Create makes the value of one flag.
func (aTime) Create(val time.Duration, p *time.Duration, _ cli.NoConfig) cli.Value {
	*p = val
	return (*aTime)(p)
}

// ToString is how help shows a default.
func (aTime) ToString(val time.Duration) string { return val.String() }

// Set reads what was typed.
func (t *aTime) Set(s string) error {
	d, err := duration.Parse(s)
	if err == nil {
		*t = aTime(d)
	}
	return err
}

// Get gives the time.Duration.
func (t *aTime) Get() any { return time.Duration(*t) }

func (t *aTime) String() string { return time.Duration(*t).String() }
