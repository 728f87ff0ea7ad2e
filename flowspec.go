package joinleaf

import (
	"encoding/binary"
	"math"

	"github.com/joinleaf/joinleaf/transport"
)

// FlowSpec is a FLOWSPEC: rates in bytes a second, sizes in bytes, times in
// microseconds. QOSNotSpecified leaves a member to the provider (R204).
type FlowSpec struct {
	TokenRate, TokenBucketSize, PeakBandwidth uint32
	Latency, DelayVariation                   uint32
	ServiceType                               uint32
	MaxSduSize, MinimumPolicedSize            uint32
}

// QOS is one flow specification per direction, as seen by the socket that it is
// given to, and bytes for the provider, which this one carries (R196).
type QOS struct {
	Sending, Receiving FlowSpec
	Provider           WSABUF
}

// NoFlowSpec is a specification that states nothing.
func NoFlowSpec() FlowSpec {
	return FlowSpec{QOSNotSpecified, QOSNotSpecified, QOSNotSpecified, QOSNotSpecified, QOSNotSpecified,
		ServiceBestEffort, QOSNotSpecified, QOSNotSpecified}
}

func (f FlowSpec) service() uint32 { return f.ServiceType & serviceBits }

// stated reports whether a member has a value.
func stated(v uint32) bool { return v != QOSNotSpecified }

// check says whether a sending specification can be met at all (R202, R203).
func (f FlowSpec) check() transport.Code {
	switch f.service() {
	case ServiceNoTraffic, ServiceNoChange:
		return 0
	case ServiceBestEffort, ServiceQualitative, ServiceNetworkControl:
		if f.TokenRate == 0 {
			return transport.WSAEOPNOTSUPP
		}
	case ServiceControlledLoad, ServiceGuaranteed:
		if f.TokenRate == 0 || !stated(f.TokenRate) {
			return transport.WSAEOPNOTSUPP
		}
	default: // the rest says what a provider tells, not what one asks for
		return transport.WSAEOPNOTSUPP
	}
	if stated(f.PeakBandwidth) && stated(f.TokenRate) && f.PeakBandwidth < f.TokenRate {
		return transport.WSAEOPNOTSUPP
	}
	return 0
}

// reserved is the rate that has to be kept free for f.
func (f FlowSpec) reserved() uint64 {
	if s := f.service(); s != ServiceGuaranteed && s != ServiceControlledLoad || !stated(f.TokenRate) {
		return 0
	}
	return uint64(f.TokenRate)
}

// most is the rate of PeakOrTokenRate (R208).
func (f FlowSpec) most() uint32 {
	if stated(f.PeakBandwidth) {
		return f.PeakBandwidth
	}
	return f.TokenRate
}

// policed is what a smaller packet counts as.
func (f FlowSpec) policed() uint32 {
	if stated(f.MinimumPolicedSize) {
		return min(f.MinimumPolicedSize, math.MaxUint16) // no packet is longer
	}
	return 0
}

// over is f with NoChange replaced by what was there before (R205).
func (f FlowSpec) over(before FlowSpec) FlowSpec {
	if f.service() == ServiceNoChange {
		return before
	}
	return f
}

// flip is q as the other end sees it.
func (q QOS) flip() QOS {
	q.Sending, q.Receiving = q.Receiving, q.Sending
	return q
}

func (q QOS) clone() QOS {
	q.Provider = WSABUF{Len: q.Provider.Len, Buf: append([]byte(nil), q.Provider.Bytes()...)}
	return q
}

func (q QOS) equal(o QOS) bool {
	return q.Sending == o.Sending && q.Receiving == o.Receiving && string(q.Provider.Bytes()) == string(o.Provider.Bytes())
}

// flows are the eight members in order.
func (f *FlowSpec) flows() [8]*uint32 {
	return [8]*uint32{&f.TokenRate, &f.TokenBucketSize, &f.PeakBandwidth, &f.Latency, &f.DelayVariation,
		&f.ServiceType, &f.MaxSduSize, &f.MinimumPolicedSize}
}

const (
	sizeFlow     = 8 * 4
	sizeQOS      = 2 * sizeFlow
	mostProvider = 256
)

// terms are what two sockets of this package tell each other beside the control
// plane's own words; they travel where that leaves room for flow specifications.
type terms struct {
	droot     bool   // the data's root is at this side (R240)
	nonrooted bool   // the entry's data plane
	port      uint16 // of a root's name; 0: not told (R261)
	qos       *QOS   // as the sender of the frame sees it; nil: none stated
}

const (
	termsVersion   = 1
	termsDRoot     = 1
	termsNonrooted = 2
	termsQOS       = 4
	termsPort      = 8
	termsBits      = termsDRoot | termsNonrooted | termsQOS | termsPort
)

// Terms, version 1:
//
//	version(1) bits(1), with termsPort: port(2), with termsQOS: sending(8 x 4)
//	receiving(8 x 4) n(2) provider(n)
func (t terms) append(b []byte) []byte {
	var bits byte
	if t.droot {
		bits |= termsDRoot
	}
	if t.nonrooted {
		bits |= termsNonrooted
	}
	if t.port != 0 {
		bits |= termsPort
	}
	if t.qos != nil {
		bits |= termsQOS
	}
	b = append(b, termsVersion, bits)
	if t.port != 0 {
		b = binary.BigEndian.AppendUint16(b, t.port)
	}
	if t.qos == nil {
		return b
	}
	q := t.qos.clone()
	for _, f := range []*FlowSpec{&q.Sending, &q.Receiving} {
		for _, v := range f.flows() {
			b = binary.BigEndian.AppendUint32(b, *v)
		}
	}
	b = binary.BigEndian.AppendUint16(b, uint16(q.Provider.Len))
	return append(b, q.Provider.Bytes()...)
}

// isDataRoot reports whether who told these terms is to be the data's root.
func isDataRoot(told []byte) bool {
	t, _, fine := parseTerms(told)
	return fine && t.droot
}

// parseTerms reads terms. None at all, as from a caller of package rooted, are
// terms that state nothing; others than these are refused.
func parseTerms(b []byte) (t terms, stated, fine bool) {
	if b == nil {
		return terms{}, false, true
	}
	if len(b) < 2 || b[0] != termsVersion || b[1]&^termsBits != 0 {
		return terms{}, false, false
	}
	t.droot, t.nonrooted = b[1]&termsDRoot != 0, b[1]&termsNonrooted != 0
	rest := b[2:]
	if b[1]&termsPort != 0 {
		if len(rest) < 2 {
			return terms{}, false, false
		}
		t.port, rest = binary.BigEndian.Uint16(rest), rest[2:]
		if t.port == 0 {
			return terms{}, false, false
		}
	}
	if b[1]&termsQOS == 0 {
		return t, true, len(rest) == 0
	}
	if len(rest) < sizeQOS+2 {
		return terms{}, false, false
	}
	n := int(binary.BigEndian.Uint16(rest[sizeQOS:]))
	if n > mostProvider || len(rest) != sizeQOS+2+n {
		return terms{}, false, false
	}
	var q QOS
	for i, f := range []*FlowSpec{&q.Sending, &q.Receiving} {
		for j, v := range f.flows() {
			*v = binary.BigEndian.Uint32(rest[i*sizeFlow+j*4:])
		}
	}
	q.Provider = WSABUF{Len: uint32(n), Buf: append([]byte(nil), rest[sizeQOS+2:]...)}
	t.qos = &q
	return t, true, true
}
