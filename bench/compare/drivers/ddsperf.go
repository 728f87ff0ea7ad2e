package drivers

import (
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// DDSPerf is CycloneDDS's own program, which needs no driver.
const DDSPerf = "ddsperf"

// FindDDSPerf tells the version of CycloneDDS, or why there is none.
func FindDDSPerf() (version string, err error) {
	if _, err := exec.LookPath(DDSPerf); err != nil {
		return "", errors.New("no ddsperf (Debian: cyclonedds-tools)")
	}
	return Packaged("cyclonedds-tools"), nil
}

// Heard is a line of a subscriber: what came until then and in the last second.
type Heard struct {
	At          float64 // seconds since the program began
	Total, Lost uint64  // samples
	Size        int     // bytes of one
}

var heard = regexp.MustCompile(`^\[\d+\] ([\d.]+) +size (\d+) total (\d+) lost (\d+) `)

// ParseHeard reads such a line.
func ParseHeard(line string) (h Heard, ok bool) {
	m := heard.FindStringSubmatch(line)
	if m == nil {
		return h, false
	}
	var errs [4]error
	h.At, errs[0] = strconv.ParseFloat(m[1], 64)
	h.Size, errs[1] = strconv.Atoi(m[2])
	h.Total, errs[2] = strconv.ParseUint(m[3], 10, 64)
	h.Lost, errs[3] = strconv.ParseUint(m[4], 10, 64)
	return h, errors.Join(errs[:]...) == nil
}

// Trips is a line of a ping: round trips of the last second. ddsperf tells half a
// round trip (it takes that for the way of one message), so these are twice what
// it says.
type Trips struct {
	P50, P99, Most time.Duration
	Count          int
}

var trips = regexp.MustCompile(` 50% ([\d.]+[mun]?s) .* 99% ([\d.]+[mun]?s) max ([\d.]+[mun]?s) cnt (\d+)$`)

// ParseTrips reads such a line.
func ParseTrips(line string) (t Trips, ok bool) {
	m := trips.FindStringSubmatch(line)
	if m == nil {
		return t, false
	}
	var errs [4]error
	for i, to := range []*time.Duration{&t.P50, &t.P99, &t.Most} {
		*to, errs[i] = time.ParseDuration(m[i+1])
		*to *= 2
	}
	t.Count, errs[3] = strconv.Atoi(m[4])
	return t, errors.Join(errs[:]...) == nil
}
