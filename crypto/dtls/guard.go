package dtls

import "encoding/binary"

// What a handshake may cost. An honest one takes some 40 fragments and 15 KB
// even when most of its packets are lost.
const (
	maxMessage       = 16 << 10 // bytes of a handshake message; a chain of certificates is the longest
	maxMessageNumber = 16       // a handshake has 7 messages from the acceptor at most, 6 from the dialler
	maxFragments     = 256      // per association
	maxFragmentBytes = 64 << 10 // per association

	// Numbers of records in the clear stay below this. An honest handshake
	// takes no more than its fragments, and with a replay window that is wider
	// no forged number can push the honest ones out of it.
	maxPlainNumber = 1000
	// cipherNumber is the number of the record with which we tell pion that the
	// other end has changed ciphers.
	cipherNumber = maxPlainNumber
	replayWindow = 1024
)

// A guard stands before pion and lets through what an honest handshake needs.
// It belongs to one association and keeps no bytes.
//
// In the clear only handshake fragments pass: one whole fragment in a record,
// of a message that the other end has to send, within its message and within
// the limits above. Alerts and application data in the clear never pass: in
// DTLS 1.2 nobody has signed them. Once a protected record has opened nothing
// in the clear passes at all; a lost last flight is sent again when the other
// end repeats its Finished, which is protected. Protected records pass as they
// are, to be judged by our cipher suite, and changes of cipher end here: pion
// gets one of our own, see pipe.
type guard struct {
	dialler          bool
	fragments, bytes int
}

// judge says what becomes of r: 0 means that it passes. sealed is whether a
// protected record has opened.
func (g *guard) judge(r *record, sealed bool) Drop {
	switch {
	case r.version != dtls12:
		return RecordVersion
	case r.epoch > 1:
		return RecordEpoch
	case r.content < contentCipher || r.content > contentData:
		return RecordKind
	case r.content == contentCipher:
		if r.epoch != 0 || len(r.body) != 1 || r.body[0] != 1 {
			return RecordCipher
		}
		return 0
	case r.epoch == 1:
		return 0
	case sealed:
		return RecordLate
	case r.content != contentHandshake:
		return RecordPlain
	case r.number >= maxPlainNumber:
		return RecordNumber
	}
	return g.judgeFragment(r.body)
}

func (g *guard) judgeFragment(body []byte) Drop {
	f, ok := parseFragment(body)
	if !ok || !f.sound() || !expected(f.message, g.dialler) {
		return RecordFragment
	}
	if g.fragments >= maxFragments || g.bytes+len(body) > maxFragmentBytes {
		return RecordBudget
	}
	g.fragments++
	g.bytes += len(body)
	return 0
}

// sound reports whether f lies within a message of a sane length and says
// something: a fragment of nothing is allowed for an empty message alone.
func (f *fragment) sound() bool {
	return f.length <= maxMessage && f.number <= maxMessageNumber &&
		f.offset+uint32(len(f.body)) <= f.length &&
		(len(f.body) > 0 || f.length == 0 && f.offset == 0)
}

// begins reports whether records are the first that a dialler sends: they start
// with its first message.
func begins(records []byte) bool {
	r, _, ok := cutRecord(records)
	if !ok || r.content != contentHandshake || r.version != dtls12 || r.epoch != 0 {
		return false
	}
	f, ok := parseFragment(r.body)
	return ok && f.sound() && f.message == messageClientHello && f.number == 0
}

// expected reports whether a message in the clear is one that the other end of
// a dialler, or of an acceptor, has to send in our profile.
func expected(message uint8, dialler bool) bool {
	switch message {
	case messageServerHello, messageHelloVerify, messageServerKey, messageCertificateRequest, messageServerHelloDone:
		return dialler
	case messageClientHello, messageClientKey, messageCertificateVerify:
		return !dialler
	case messageCertificate:
		return true
	}
	return false
}

// judgeInner judges what a protected record held. A peer has proven nothing
// when its first ones open, so the limits hold here as well: no message but
// Finished, so no renegotiation, and no alert but those that end the
// association.
func judgeInner(content uint8, body []byte) bool {
	switch content {
	case contentData:
		return true
	case contentAlert:
		return len(body) == 2 && (body[0] == 2 || body[1] == 0) // fatal, or close_notify
	case contentHandshake:
		f, ok := parseFragment(body)
		return ok && f.sound() && f.message == messageFinished && f.length == 12 && len(f.body) == 12
	}
	return false
}

// cipherRecord is a ChangeCipherSpec as pion expects it.
func cipherRecord() []byte {
	b := make([]byte, recordHeader+1)
	b[0] = contentCipher
	binary.BigEndian.PutUint16(b[1:], dtls12)
	binary.BigEndian.PutUint64(b[3:], cipherNumber)
	b[12], b[13] = 1, 1
	return b
}
