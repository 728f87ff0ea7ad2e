package dtls

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/pion/dtls/v2/pkg/crypto/prf"
)

const (
	maxExport = 1 << 10
	maxLabel  = 1 << 10
)

// export is the exporter of RFC 5705 over the extended master secret (RFC
// 7627), so both ends' certificates are in it. pion's own does not know our
// suite and knows no context. A nil context and an empty one are different.
//
//	PRF(master secret, label, client random ‖ server random [‖ length of context u16 ‖ context])[:n]
func (k *suiteKeys) export(label string, context []byte, n int) ([]byte, error) {
	switch {
	case n < 1 || n > maxExport:
		return nil, fmt.Errorf("dtls: exporting %d bytes; 1 to %d are possible", n, maxExport)
	case len(context) > 1<<16-1 || len(label) > maxLabel:
		return nil, fmt.Errorf("dtls: exporting under a label of %d bytes and a context of %d; they are too long", len(label), len(context))
	case !strings.HasPrefix(label, "EXPORTER"):
		return nil, fmt.Errorf("dtls: exporting under %q; labels begin with EXPORTER, others belong to DTLS itself", label)
	}
	seed := append(make([]byte, 0, len(label)+64+2+len(context)), label...)
	seed = append(seed, k.clientRandom[:]...)
	seed = append(seed, k.serverRandom[:]...)
	if context != nil {
		seed = binary.BigEndian.AppendUint16(seed, uint16(len(context)))
		seed = append(seed, context...)
	}
	b, err := prf.PHash(k.master[:], seed, n, sha256.New)
	if err != nil {
		return nil, fmt.Errorf("dtls: exporting %q: %w", label, err)
	}
	return b, nil
}
