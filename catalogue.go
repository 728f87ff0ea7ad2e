package joinleaf

import (
	"slices"

	"github.com/joinleaf/joinleaf/transport"
)

// ProtocolInfo is a catalogue entry, as WSAPROTOCOL_INFO. An entry fixes both
// planes of a session: control (how it is set up) and data (who hears whom).
type ProtocolInfo struct {
	ServiceFlags1  uint32 // XP1_ bits
	ProviderFlags  uint32 // PFL_ bits
	CatalogEntryID uint32
	Version        int
	AddressFamily  int
	MaxSockAddr    int
	MinSockAddr    int
	SocketType     int
	Protocol       int
	MessageSize    uint32 // longest message; 0: a stream
	Name           string
}

const (
	xp1Joinleaf = XP1GuaranteedDelivery | XP1GuaranteedOrder | XP1MessageOriented | XP1GracefulClose | XP1SupportMultipoint
	xp1Admitted = XP1ConnectData | XP1QOSSupported // what needs somebody who answers
)

// protocols are the catalogue's lines but for the family.
var protocols = []struct {
	name  string
	proto int
	typ   int
	xp1   uint32
}{
	{"joinleaf rooted/rooted", ProtoRootedRooted, SockRDM, xp1Joinleaf | xp1Admitted | XP1ControlPlane | XP1DataPlane},
	{"joinleaf rooted/nonrooted", ProtoRootedNonrooted, SockRDM, xp1Joinleaf | xp1Admitted | XP1ControlPlane},
	{"joinleaf nonrooted/nonrooted", ProtoNonrooted, SockRDM, xp1Joinleaf},
	{"joinleaf nonrooted/rooted", ProtoNonrootedRooted, SockRDM, xp1Joinleaf | XP1DataPlane},
	{"TCP", ProtoTCP, SockStream, XP1GuaranteedDelivery | XP1GuaranteedOrder | XP1GracefulClose},
	{"UDP", ProtoUDP, SockDgram, XP1Connectionless | XP1MessageOriented},
}

var families = []struct {
	family, size int
	name         string
}{{AFInet, sizeIn, "IPv4"}, {AFInet6, sizeIn6, "IPv6"}}

// catalogue makes all entries; message is the longest one of a session.
func catalogue(message uint32) (all []ProtocolInfo) {
	for _, f := range families {
		for _, p := range protocols {
			e := ProtocolInfo{
				ServiceFlags1: p.xp1, CatalogEntryID: uint32(len(all) + 1), Version: 2,
				AddressFamily: f.family, MaxSockAddr: f.size, MinSockAddr: f.size,
				SocketType: p.typ, Protocol: p.proto, Name: p.name + " " + f.name,
			}
			if e.multipoint() {
				e.ProviderFlags = PFLMultipleProtoEntries // R9
				e.MessageSize = message
			}
			if p.typ == SockDgram {
				e.MessageSize = 65507
			}
			all = append(all, e)
		}
	}
	return all
}

func (e ProtocolInfo) has(xp1 uint32) bool { return e.ServiceFlags1&xp1 == xp1 }

func (e ProtocolInfo) multipoint() bool { return e.has(XP1SupportMultipoint) }

// rootedControl and rootedData read the plane bits, which mean nothing where
// the entry is not multipoint (R6, R7).
func (e ProtocolInfo) rootedControl() bool { return e.multipoint() && e.has(XP1ControlPlane) }
func (e ProtocolInfo) rootedData() bool    { return e.multipoint() && e.has(XP1DataPlane) }

// lookup finds the entry for three numbers, or says what is wrong with them
// (R24).
func lookup(all []ProtocolInfo, family, typ, proto int) (ProtocolInfo, transport.Code) {
	any := func(f func(ProtocolInfo) bool) bool { return slices.ContainsFunc(all, f) }
	i := slices.IndexFunc(all, func(e ProtocolInfo) bool {
		return e.AddressFamily == family && e.SocketType == typ && (proto == 0 || e.Protocol == proto)
	})
	switch {
	case i >= 0:
		return all[i], 0
	case !any(func(e ProtocolInfo) bool { return e.AddressFamily == family }):
		return ProtocolInfo{}, transport.WSAEAFNOSUPPORT
	case !any(func(e ProtocolInfo) bool { return e.SocketType == typ }):
		return ProtocolInfo{}, transport.WSAESOCKTNOSUPPORT
	case proto != 0 && !any(func(e ProtocolInfo) bool { return e.Protocol == proto }):
		return ProtocolInfo{}, transport.WSAEPROTONOSUPPORT
	case proto != 0 && !any(func(e ProtocolInfo) bool { return e.Protocol == proto && e.SocketType == typ }):
		return ProtocolInfo{}, transport.WSAEPROTOTYPE
	}
	return ProtocolInfo{}, transport.WSAEINVAL
}

// choose finds the entry that a Socket call names: by info where that is
// given, with FromProtocolInfo standing for its values (R25, R26).
func choose(all []ProtocolInfo, family, typ, proto int, info *ProtocolInfo) (ProtocolInfo, transport.Code) {
	if info == nil {
		if family == FromProtocolInfo || typ == FromProtocolInfo || proto == FromProtocolInfo {
			return ProtocolInfo{}, transport.WSAEINVAL
		}
		return lookup(all, family, typ, proto)
	}
	if !slices.Contains(all, *info) {
		return ProtocolInfo{}, transport.WSAEINVAL
	}
	same := func(given, entry int) bool { return given == FromProtocolInfo || given == 0 || given == entry }
	if !same(family, info.AddressFamily) || !same(typ, info.SocketType) || !same(proto, info.Protocol) {
		return ProtocolInfo{}, transport.WSAEINVAL
	}
	return *info, 0
}
