package stage

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
)

// Picture is a picture of a report: a name without its ending, and SVG.
type Picture struct {
	Name string
	SVG  []byte
}

// Publish shows a report's table, and leaves it in the folder as name.txt, all of
// the report beside it as name.json, and its pictures.
func Publish(show io.Writer, folder, name string, report any, table []byte, pictures ...Picture) error {
	all, err := json.MarshalIndent(report, "", "\t")
	if err != nil {
		return err
	}
	if _, err := show.Write(table); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	files := map[string][]byte{name + ".json": append(all, '\n'), name + ".txt": table}
	for _, p := range pictures {
		files[p.Name+".svg"] = p.SVG
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
