package stage

import (
	"runtime/metrics"
	"time"

	"golang.org/x/sys/unix"
)

// Meter stands at the beginning of a stretch: what came before it, such as a
// join, is not in Spent.
type Meter struct {
	began   time.Time
	cpu     float64
	objects uint64
}

// NewMeter begins a stretch.
func NewMeter() Meter { return Meter{time.Now(), processor(), objects()} }

// Elapsed is the seconds of the stretch until now.
func (m Meter) Elapsed() float64 { return time.Since(m.began).Seconds() }

// Spent is what the stretch has cost until now.
func (m Meter) Spent() Spent {
	return Spent{time.Since(m.began).Seconds(), processor() - m.cpu, objects() - m.objects}
}

func processor() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func objects() uint64 {
	s := [...]metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(s[:])
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
