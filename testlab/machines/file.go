package machines

import (
	"fmt"
	"os"
	"strings"
)

// Write writes a file of a running machine.
func (m *Machine) Write(path, text string) {
	m.lab.t.Helper()
	err := m.inRoot(func(root *os.Root) error {
		return root.WriteFile(strings.TrimPrefix(path, "/"), []byte(text), 0o644)
	})
	if err != nil {
		m.lab.t.Fatal(err)
	}
}

// Read reads a file of a running machine.
func (m *Machine) Read(path string) (text string) {
	m.lab.t.Helper()
	err := m.inRoot(func(root *os.Root) error {
		read, err := root.ReadFile(strings.TrimPrefix(path, "/"))
		text = string(read)
		return err
	})
	if err != nil {
		m.lab.t.Fatal(err)
	}
	return text
}

// inRoot opens the machine's root; no symbolic link leads out of it.
func (m *Machine) inRoot(use func(*os.Root) error) error {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", m.first))
	if err != nil {
		return fmt.Errorf("open the root of %s: %w", m.name, err)
	}
	defer root.Close()
	return use(root)
}
