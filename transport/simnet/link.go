package simnet

import (
	"fmt"
	"time"
)

// Link says what happens to packets on their way from one host to another.
// The zero Link is perfect: no delay, no loss, no limit. All probabilities are
// from 0 to 1.
type Link struct {
	// Delay is the time on the way, one way. Jitter adds a random part, from
	// nothing up to its value, evenly; it never puts packets out of order.
	Delay, Jitter time.Duration

	// Loss is the probability that a packet is lost, each by itself.
	Loss float64
	// BatchLoss is the probability that all packets of one written Datagram
	// are lost together, as a full queue loses a super-packet.
	BatchLoss float64
	// Every loses each Every-th packet, as a policer does. Zero: none.
	Every int
	// Burst loses packets in bursts.
	Burst Burst

	// Duplicate is the probability that a packet arrives twice.
	Duplicate float64
	// Reorder is the probability that a packet is late by up to ReorderDelay
	// more than those around it. A ReorderDelay of zero means 1 ms.
	Reorder      float64
	ReorderDelay time.Duration

	// Bandwidth is in bits a second, all headers counted. Zero: no limit.
	Bandwidth int64
	// Queue is what may wait for the Bandwidth, in bytes; packets that do not
	// fit are lost. Zero means 256 KiB, or, for an uplink, that nothing is
	// lost there: writers wait.
	Queue int
}

// Burst is the Gilbert-Elliott model: a link that is good or bad, and changes
// its mind packet by packet. GoodToBad 0.001, BadToGood 0.1, LossInBad 0.5
// lose 0.5 % in the mean, in bursts of about 10 packets.
type Burst struct {
	GoodToBad, BadToGood float64
	// LossInBad is the probability of loss while the link is bad; Link.Loss
	// comes on top. Zero means 1.
	LossInBad float64
}

func (b Burst) lossInBad() float64 {
	if b.LossInBad == 0 {
		return 1
	}
	return b.LossInBad
}

// mean is the part of all packets that the model loses in the long run.
func (b Burst) mean() float64 {
	if b.GoodToBad == 0 {
		return 0
	}
	return b.GoodToBad / (b.GoodToBad + b.BadToGood) * b.lossInBad()
}

const (
	defaultQueue        = 256 << 10
	defaultReorderDelay = time.Millisecond
)

// check panics on what cannot be meant: a test that asks for it is wrong.
func (l Link) check() {
	for _, p := range []struct {
		name  string
		value float64
	}{
		{"Loss", l.Loss}, {"BatchLoss", l.BatchLoss}, {"Duplicate", l.Duplicate}, {"Reorder", l.Reorder},
		{"Burst.GoodToBad", l.Burst.GoodToBad}, {"Burst.BadToGood", l.Burst.BadToGood}, {"Burst.LossInBad", l.Burst.LossInBad},
	} {
		if !(p.value >= 0 && p.value <= 1) {
			panic(fmt.Sprintf("simnet: Link.%s is %v; a probability is from 0 to 1", p.name, p.value))
		}
	}
	if min(l.Delay, l.Jitter, l.ReorderDelay) < 0 || l.Bandwidth < 0 || l.Queue < 0 || l.Every < 0 {
		panic(fmt.Sprintf("simnet: a negative value in %+v", l))
	}
}

// checkPort is check for an uplink or downlink.
func (l Link) checkPort() {
	l.check()
	if l.Delay != 0 || l.Jitter != 0 || l.Duplicate != 0 || l.Reorder != 0 {
		panic("simnet: an uplink or downlink has no Delay, Jitter, Duplicate or Reorder; give them to the link between hosts")
	}
}
