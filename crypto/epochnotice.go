package crypto

import (
	"encoding/binary"
	"time"
)

// An epoch notice, the body of a packet of KindEpoch, says which epoch the root seals
// under and where the one before ended. It goes when an epoch is activated,
// sealed under the new one, and as a heartbeat. It holds no secret.
//
//	 0   8  epoch in use
//	 8   4  its key id
//	12   8  the epoch that closed, which is an older one; 0: none, then no finals
//	20   1  finals, at most 80
//	21   n  finals, rising: sender u32, end u64: its packets from there on are nobody's
//	    64  the root's signature as "epoch"
const (
	noticeHead = 21
	finalSize  = 12
)

// MaxFinals is how many finals one notice tells. More go in several notices.
const MaxFinals = 80

// EpochNotice is what a notice says.
type EpochNotice struct {
	Epoch  uint64
	KeyID  uint32
	Closed uint64
	Finals []Final
}

// Final is where a sender ended under a closed epoch: the packet number after
// its last.
type Final struct {
	Sender uint32
	End    uint64
}

// AppendEpochNotice appends n, signed. Finals must be at most MaxFinals, with rising
// senders, as [Ring.Finals] gives them.
func (a *Author) AppendEpochNotice(b []byte, n EpochNotice) []byte {
	from := len(b)
	return a.sign(n.append(b), signEpoch, from)
}

func (n *EpochNotice) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, n.Epoch)
	b = binary.BigEndian.AppendUint32(b, n.KeyID)
	b = binary.BigEndian.AppendUint64(b, n.Closed)
	b = append(b, byte(len(n.Finals)))
	for _, f := range n.Finals {
		b = binary.BigEndian.AppendUint32(b, f.Sender)
		b = binary.BigEndian.AppendUint64(b, f.End)
	}
	return b
}

// checkNotice holds b to every rule of its own.
func checkNotice(b []byte) bool {
	if len(b) < noticeHead || b[20] > MaxFinals || len(b) != noticeHead+finalSize*int(b[20]) {
		return false
	}
	epoch, closed := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[12:])
	if epoch == 0 || closed >= epoch || closed == 0 && b[20] > 0 {
		return false
	}
	last := uint32(0)
	for f := b[noticeHead:]; len(f) > 0; f = f[finalSize:] {
		sender, end := binary.BigEndian.Uint32(f), binary.BigEndian.Uint64(f[4:])
		if sender <= last || end > lastNumber+1 {
			return false
		}
		last = sender
	}
	return true
}

// decode reads a body that checkNotice has found good.
func (n *EpochNotice) decode(b []byte) {
	n.Epoch, n.KeyID = binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])
	n.Closed = binary.BigEndian.Uint64(b[12:])
	n.Finals = make([]Final, 0, b[20])
	for f := b[noticeHead:]; len(f) > 0; f = f[finalSize:] {
		n.Finals = append(n.Finals, Final{binary.BigEndian.Uint32(f), binary.BigEndian.Uint64(f[4:])})
	}
}

// NoticeEpoch is the epoch that a body of KindEpoch speaks of, by whomever: enough
// to leave one unchecked that is no news.
func NoticeEpoch(b []byte) (epoch uint64, ok bool) {
	if len(b) < noticeHead+signatureSize {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}

// ParseEpochNotice reads what AppendEpochNotice wrote. It is empty unless the outcome is
// Taken. Notices may be late or come twice: an Epoch below one that was heard
// of before is no news. pairwise is as in [Path.Rekey].
func (w *Witness) ParseEpochNotice(now time.Time, b []byte, pairwise bool) (EpochNotice, Outcome) {
	var n EpochNotice
	if len(b) < signatureSize {
		return n, Malformed
	}
	body, signature := cutSignature(b)
	if !checkNotice(body) {
		return n, Malformed
	}
	if o := w.check(now, signEpoch, body, signature, pairwise); o != Taken {
		return n, o
	}
	n.decode(body)
	return n, Taken
}
