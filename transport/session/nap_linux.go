package session

import (
	"syscall"
	"time"
	"unsafe"
)

// nap sleeps with the processor held: package time cannot sleep for less than a
// millisecond when nothing else runs, and giving the processor away for so
// short a time wakes another thread, which is what a nap is to spare.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// yield lets another thread have the processor, if one waits for it: who polls may
// share it with whom it waits for.
func yield() { syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
