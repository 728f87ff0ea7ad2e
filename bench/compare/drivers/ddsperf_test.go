package drivers

import (
	"testing"
	"time"
)

// The lines are those of ddsperf 0.10.2.
func TestParse_ReadsWhatDDSPerfSays(t *testing.T) {
	line := "[30179] 1.000  vm:30156 size 64 mean 31.808us min 9.529us 50% 14.791us 90% 50.129us 99% 179.387us max 2453.041us cnt 997"
	if got, ok := ParseTrips(line); !ok || got.P50 != 29582*time.Nanosecond || got.P99 != 358774*time.Nanosecond || got.Most != 4906082*time.Nanosecond || got.Count != 997 {
		t.Errorf("%+v, %v", got, ok)
	}
	line = "[1200] 3.000  size 8192 total 61021 lost 0 delta 20341 lost 0 rate 20.34 kS/s 1333.03 Mb/s (6.10 kS/s 399.91 Mb/s)"
	if got, ok := ParseHeard(line); !ok || got != (Heard{At: 3, Total: 61021, Size: 8192}) {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, other := range []string{"", "[30179] participant vm:30179: new (self)", "[30179] 1.000  rss:7.2MB vcsw:2060 ivcsw:241 ddsperf:3%+0%", "[1] ping timed out (total 8 times) ... sending new ping"} {
		if _, ok := ParseTrips(other); ok {
			t.Errorf("%q was taken for round trips", other)
		}
		if _, ok := ParseHeard(other); ok {
			t.Errorf("%q was taken for samples", other)
		}
	}
}
