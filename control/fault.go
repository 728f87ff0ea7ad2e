package control

// Fault says why a frame was refused. It is an error, made without allocation;
// machines count faults by kind, end the connection and tell it why, once.
type Fault uint8

// The faults.
const (
	FaultShort    Fault = iota + 1 // the frame ends inside a field
	FaultTrailing                  // bytes follow the last field
	FaultLength                    // the length is not the frame's, or above what this connection may send
	FaultType                      // no such type, or not the one expected
	FaultVersion                   // another version of the frames
	FaultLimit                     // a length or count inside is above its limit
	FaultValue                     // a field has no such value
	FaultState                     // a right frame at the wrong time, or from the wrong side
	faults
)

var faultTexts = [faults]string{
	"", "frame ends inside a field", "bytes follow the frame's last field", "frame length wrong or above the limit",
	"unknown or unexpected frame type", "other protocol version", "length or count inside the frame above its limit",
	"field without meaning", "frame out of turn",
}

func (f Fault) Error() string { return f.String() }

// String is one plain phrase.
func (f Fault) String() string {
	if f == 0 || f >= faults {
		return "no fault"
	}
	return faultTexts[f]
}

// Faults counts refused frames by Fault.
type Faults [faults]uint64

// Total is the sum over all kinds.
func (f Faults) Total() uint64 {
	var n uint64
	for _, v := range f {
		n += v
	}
	return n
}
