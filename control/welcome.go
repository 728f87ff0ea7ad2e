package control

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Welcome lets a leaf in: who it is, what the session is, and the epoch's keys.
type Welcome struct {
	ID      uint32 // the leaf's member id
	Role    Role   // the root's role towards this leaf (R192)
	Params  Params
	Session [16]byte
	Epoch   uint64
	State   Secret         // the epoch's secret state, crypto's bytes
	Root    netip.AddrPort // the root's data address; unspecified: the control connection's
	Senders []Peer         // who may send for the group
	Callee  []byte         // callee data; nil unlike empty (R169)
	QoS     []byte         // the flow specifications that hold for both ends (R207); nil: none
}

// WELCOME:
//
//	id(4) role(1) session(16) epoch(8) root(18) params(bytes) state(bytes)
//	n(2) n times id(4) address(18) role(1); callee(option) qos(option)

// Append appends the whole frame to b.
func (w Welcome) Append(b []byte) []byte {
	b, start := begin(b, TypeWelcome)
	b = binary.BigEndian.AppendUint32(b, w.ID)
	b = append(b, byte(w.Role))
	b = append(b, w.Session[:]...)
	b = binary.BigEndian.AppendUint64(b, w.Epoch)
	b = appendAddrPort(b, w.Root)
	b = appendBytes(b, w.Params.Append(nil))
	b = appendBytes(b, w.State)
	b = appendPeers(b, w.Senders)
	b = appendOption(b, w.Callee)
	return finish(appendOption(b, w.QoS), start)
}

// ParseWelcome reads a WELCOME. Slices point into frame.
func ParseWelcome(frame []byte) (Welcome, error) {
	s := open(frame, TypeWelcome)
	w := Welcome{ID: s.u32(), Role: s.role()}
	s.check(w.ID > RootID, FaultValue)
	copy(w.Session[:], s.take(16))
	w.Epoch, w.Root = s.u64(), s.addrPort()
	s.check(w.Root.Port() != 0, FaultValue)
	inner := scan{rest: s.bytes(maxParams), fault: s.fault}
	params, name := inner.params()
	if inner.end() != nil {
		s.fail(inner.fault)
	}
	w.State = s.bytes(MaxState)
	senders := s.peers(maxWelcome)
	w.Callee = s.option(MaxConnectData)
	w.QoS = s.option(MaxQoS)
	if err := s.end(); err != nil {
		return Welcome{}, err
	}
	w.Params, w.Senders = params, decodePeers(senders)
	w.Params.Name = string(name)
	return w, nil
}

// maxParams is the longest form of the parameters.
const maxParams = 51 + MaxStreams + 21 + 2 + MaxName

// check reports what no WELCOME may carry; the list of senders may be longer
// than one frame takes, the root splits it.
func (w Welcome) check() error {
	switch {
	case w.ID <= RootID:
		return invalid("a leaf's id is 2 or more")
	case w.Root.Port() == 0:
		return invalid("the root's data address has no port")
	case len(w.State) > MaxState:
		return invalid("epoch state longer than 1 KiB")
	}
	if err := checkPeers(w.Senders); err != nil {
		return err
	}
	return w.Params.Check()
}

func checkPeers(ps []Peer) error {
	for _, p := range ps {
		if p.ID == 0 {
			return invalid("a sender's id is not 0")
		}
		if p.Role >= roles {
			return invalid("no such role")
		}
	}
	return nil
}

func (w Welcome) clone() Welcome {
	w.Params = w.Params.clone()
	w.State = bytes.Clone(w.State)
	w.Callee = bytes.Clone(w.Callee)
	w.QoS = bytes.Clone(w.QoS)
	return w
}
