package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Whims is how the stand-ins of one host misbehave. Those of a process's whole life
// count from its start, those of its status page at once.
type Whims struct {
	Sick  bool          `json:"sick"`  // the page says that it is not well
	Mute  bool          `json:"mute"`  // the page never answers
	Deaf  bool          `json:"deaf"`  // SIGTERM is ignored
	Child bool          `json:"child"` // a child of another session is left, which holds the port
	Crash time.Duration `json:"crash"` // it ends this long after its start; 0: never
}

// Set writes the whims of a host's stand-ins that were told of the file.
func (w Whims) Set(file, node string) error {
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	path := whimsOf(file, node)
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return fmt.Errorf("write whims: %w", err)
	}
	return os.Rename(path+".new", path)
}

// readWhims reads the whims of the host; no file is none.
func readWhims(file, node string) (w Whims, err error) {
	text, err := os.ReadFile(whimsOf(file, node))
	if file == "" || errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	return w, err
}

func whimsOf(file, node string) string { return file + "." + node }
