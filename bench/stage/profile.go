package stage

import (
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profiles is the variable that names a folder for profiles.
const profiles = "JOINLEAF_BENCH_PROFILE"

// Profile writes a profile of processor time, until stop is called, to name.pprof
// in the folder that JOINLEAF_BENCH_PROFILE names; a later one of that name replaces
// it. Without the variable it does nothing.
func Profile(name string) (stop func(), err error) {
	folder := os.Getenv(profiles)
	if folder == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(folder, name+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
