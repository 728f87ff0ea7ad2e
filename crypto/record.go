package crypto

import "errors"

// What the ends of a finished TLS handshake tell each other, 36 bytes each:
//
//	0      1      2     3        4        36
//	| kind | role | way | reason | proof  |
//
// role and way are the speaker's. reason is zero but in a refusal, proof but in
// a proof. The order never varies, and one end speaks at a time, so that ends
// which both fail cannot wait for each other:
//
//	dialler   accept or refuse
//	listener  accept or refuse
//	root      proof              } with a join code
//	leaf      proof or refuse    }
//	root      accept or refuse   }
const recordSize = 4 + 32

const (
	recordAccept = 1
	recordProof  = 2
	recordRefuse = 3
)

type record struct {
	kind   uint8
	role   Role
	way    way
	reason reason
	proof  [32]byte
}

var errRecord = errors.New("not a handshake record")

func (r *record) append(b []byte) []byte {
	b = append(b, r.kind, uint8(r.role), uint8(r.way), uint8(r.reason))
	return append(b, r.proof[:]...)
}

func parseRecord(b []byte) (record, error) {
	if len(b) != recordSize {
		return record{}, errRecord
	}
	r := record{b[0], Role(b[1]), way(b[2]), reason(b[3]), [32]byte(b[4:])}
	ok := r.kind >= recordAccept && r.kind <= recordRefuse &&
		(r.role == RoleRoot || r.role == RoleLeaf) &&
		r.way >= wayCode && r.way <= wayPin &&
		(r.reason == 0) == (r.kind != recordRefuse) && r.reason <= reasonOther &&
		(r.kind == recordProof || r.proof == [32]byte{})
	if !ok {
		return record{}, errRecord
	}
	return r, nil
}
