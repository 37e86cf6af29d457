package main

// Text in the format of OpenMetrics 1.0, which Prometheus and its relatives
// read. Only gauges and counters are used, so that readers of the older text
// format, such as node_exporter's textfile collector, take it too.

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// openMetricsType is the format's media type.
const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

// family is a metric with its samples.
type family struct {
	name    string // ends in the unit, if there is one; a counter's samples add _total
	counter bool
	unit    string
	help    string
	samples []sample
}

type sample struct {
	labels []string // name, value, name, value…
	value  float64
}

func (f *family) add(value float64, labels ...string) {
	f.samples = append(f.samples, sample{labels, value})
}

// writeMetrics writes a whole exposition. A family without samples is left
// out.
func writeMetrics(b *bytes.Buffer, families []*family) {
	for _, f := range families {
		if len(f.samples) > 0 {
			f.write(b)
		}
	}
	b.WriteString("# EOF\n")
}

func (f *family) write(b *bytes.Buffer) {
	typ, name := "gauge", f.name
	if f.counter {
		typ, name = "counter", f.name+"_total"
	}
	b.WriteString("# TYPE " + f.name + " " + typ + "\n")
	if f.unit != "" {
		b.WriteString("# UNIT " + f.name + " " + f.unit + "\n")
	}
	b.WriteString("# HELP " + f.name + " " + escapeMetric(f.help) + "\n")
	for _, s := range f.samples {
		b.WriteString(name)
		for i := 0; i+1 < len(s.labels); i += 2 {
			b.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + s.labels[i] + `="` + escapeMetric(s.labels[i+1]) + `"`)
		}
		if len(s.labels) > 0 {
			b.WriteByte('}')
		}
		b.WriteString(" " + strconv.FormatFloat(s.value, 'f', -1, 64) + "\n")
	}
}

var metricEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// escapeMetric makes any string a label's value.
func escapeMetric(s string) string {
	return metricEscapes.Replace(strings.ToValidUTF8(s, string(utf8.RuneError)))
}
