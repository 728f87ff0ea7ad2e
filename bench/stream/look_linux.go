package stream

import (
	"runtime/metrics"
	"time"
)

// Look is a side's heap at one moment.
type Look struct {
	Seconds float64 // since the looking began
	Bytes   uint64  // of objects, those included that are garbage and not collected yet
	Objects uint64  // allocated until then
}

// looker looks every now and then until it is told to stop.
type looker struct {
	stop chan struct{}
	all  chan []Look
}

// look begins, where the spec wants it.
func (s Spec) look() *looker {
	if s.Looks < 1 {
		return nil
	}
	l := &looker{make(chan struct{}), make(chan []Look, 1)}
	go l.run(s.For/time.Duration(s.Looks), 2*s.Looks+8)
	return l
}

func (l *looker) run(interval time.Duration, most int) {
	all := make([]Look, 0, most)
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/allocs:objects"}}
	t := time.NewTicker(interval)
	defer t.Stop()
	for began := time.Now(); ; {
		select {
		case <-t.C:
			if metrics.Read(sample); len(all) < most {
				all = append(all, Look{time.Since(began).Seconds(), sample[0].Value.Uint64(), sample[1].Value.Uint64()})
			}
		case <-l.stop:
			l.all <- all
			return
		}
	}
}

// end stops it and gives what it saw.
func (l *looker) end() []Look {
	if l == nil {
		return nil
	}
	close(l.stop)
	return <-l.all
}
