package joinleaf

import "time"

// bucket is a token bucket: in any interval t at most size + rate*t bytes pass
// (R208). It is a machine: times come in, the caller waits. Bytes are those of
// packets with all their headers, as in RFC 2215; so a message that is as long as
// the bucket may take more than is in it, and the next one waits for that.
type bucket struct {
	rate, size float64 // bytes a second, bytes; rate 0: anything passes
	tokens     float64
	last       time.Time
}

// leastBucket is what a bucket without a stated size holds: a tenth of a second
// at its rate, but a jumbo packet at least.
const leastBucket = 9000

// newBucket makes the bucket of a sending specification: full, or with what was left
// under another one.
func newBucket(f FlowSpec, before bucket) bucket {
	if !stated(f.TokenRate) || f.TokenRate == 0 || f.service() == ServiceNoTraffic {
		return bucket{}
	}
	b := bucket{rate: float64(f.TokenRate), size: float64(f.TokenBucketSize)}
	if !stated(f.TokenBucketSize) || f.TokenBucketSize == 0 {
		b.size = max(leastBucket, b.rate/10)
	}
	if b.tokens = b.size; before.rate != 0 {
		b.tokens, b.last = min(b.size, before.tokens), before.last
	}
	return b
}

// fits reports whether n bytes can ever pass.
func (b *bucket) fits(n int) bool { return b.rate == 0 || float64(n) <= b.size }

// wait is how long n bytes have to wait; zero: they may pass, with take.
func (b *bucket) wait(now time.Time, n int) time.Duration {
	if b.rate == 0 {
		return 0
	}
	if now.After(b.last) {
		if !b.last.IsZero() {
			b.tokens = min(b.size, b.tokens+b.rate*now.Sub(b.last).Seconds())
		}
		b.last = now
	}
	if lack := min(float64(n), b.size) - b.tokens; lack > 0 {
		return time.Duration(lack/b.rate*float64(time.Second)) + time.Nanosecond
	}
	return 0
}

// take lets n bytes pass.
func (b *bucket) take(n int) {
	if b.rate != 0 {
		b.tokens -= float64(n)
	}
}
