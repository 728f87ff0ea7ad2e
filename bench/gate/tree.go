package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// git runs git in dir and returns what it prints.
func git(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}

// pickBase finds what to compare with: a commit, and why that one; or none, and why
// not.
func pickBase(dir, asked string) (commit, why string, err error) {
	find := func(name string) string {
		out, err := git(dir, "rev-parse", "--verify", "--quiet", name+"^{commit}")
		if err != nil {
			return "" // there is none of that name
		}
		return strings.TrimSpace(string(out))
	}
	head := find("HEAD")
	switch {
	case asked != "" && find(asked) == "":
		return "", "", fmt.Errorf("no commit is called %q here", asked)
	case asked != "":
		return find(asked), asked, nil
	case head == "":
		return "", "this is no checkout of git", nil
	}
	changed, err := git(dir, "status", "--porcelain")
	if err != nil {
		return "", "", err
	}
	if out, err := git(dir, "merge-base", "HEAD", "origin/main"); err == nil {
		if base := strings.TrimSpace(string(out)); base != head {
			return base, "the merge base with origin/main", nil
		}
	}
	if len(bytes.TrimSpace(changed)) > 0 {
		return head, "the commit that the changes here stand on", nil
	}
	if base := find("HEAD^"); base != "" {
		return base, "the first parent", nil
	}
	return "", "there is no earlier commit here, as in a shallow clone", nil
}

// lay writes the tree of a commit into a folder.
func lay(dir, commit, to string) error {
	b, err := git(dir, "archive", "--format=tar", commit)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.FromSlash(strings.TrimSuffix(h.Name, "/"))
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeReg:
			err = write(root, name, r)
		}
		if err != nil {
			return err
		}
	}
}

func write(root *os.Root, name string, from io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
