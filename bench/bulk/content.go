package bulk

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	blockSize = 256 << 10
	stride    = 8 * 1021 // from one message's slice to the next one's
	Number    = 8        // bytes of a message that are its number
	Longest   = 64 << 10 // message, in bytes
)

// Content is what every process knows of the bytes on their way.
type Content struct {
	block []byte
	size  int
	next  uint64 // message that is due
	past  uint64 // of those before it, were told as missed
}

// NewContent is content in messages of size bytes, Number to Longest.
func NewContent(size int) (*Content, error) {
	if size < Number || size > Longest {
		return nil, fmt.Errorf("messages of %d bytes; %d to %d are possible", size, Number, Longest)
	}
	return &Content{block: newBlock(), size: size}, nil
}

// newBlock fills a block by SplitMix64 (Steele, Lea, Flood 2014), which is short
// enough to be written again in other programs: 64-bit words, little-endian.
func newBlock() []byte {
	block := make([]byte, 0, blockSize)
	for x := uint64(1); len(block) < blockSize; x++ {
		z := x * 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		block = binary.LittleEndian.AppendUint64(block, z^z>>31)
	}
	return block
}

func (c *Content) slice(i uint64) []byte {
	at := int(i * stride % uint64(blockSize-c.size))
	return c.block[at : at+c.size]
}

// Each calls f with message after message, until done returns or f fails.
// The bytes are f's until it returns.
func (c *Content) Each(messages uint64, f func(p []byte) error) error {
	for i := range messages {
		p := c.slice(i)
		kept := binary.BigEndian.Uint64(p)
		binary.BigEndian.PutUint64(p, i)
		err := f(p)
		binary.BigEndian.PutUint64(p, kept)
		if err != nil {
			return err
		}
	}
	return nil
}

// Check compares p with the next message that there should be.
func (c *Content) Check(p []byte) error {
	want := c.next
	if len(p) != c.size {
		return fmt.Errorf("message %d has %d bytes, not %d", want, len(p), c.size)
	}
	if n := binary.BigEndian.Uint64(p); n != want {
		return fmt.Errorf("message %d came where %d was due", n, want)
	}
	if !bytes.Equal(p[Number:], c.slice(want)[Number:]) {
		return fmt.Errorf("message %d is not what was sent", want)
	}
	c.next++
	return nil
}

// Skip passes over messages that were told as missed.
func (c *Content) Skip(n uint64) { c.next, c.past = c.next+n, c.past+n }

// Checked is the number of messages that were as they should be.
func (c *Content) Checked() uint64 { return c.next - c.past }
