package main

import (
	"errors"
	"fmt"
	"strings"
)

// errRefused: the database has seen a newer epoch, or this one of another node.
var errRefused = errors.New("refused")

// history is what this process has written.
type history struct {
	node     string
	epoch    uint64
	sequence uint64 // of the last row
}

// add writes the next row. One statement is one transaction: the row of the fence is
// locked by its update until the new row is committed, so that of two writers at a time
// one waits for the other and then sees its epoch.
func (h *history) add(s *session) error {
	node := "'" + strings.ReplaceAll(h.node, "'", "''") + "'"
	done, err := s.run(fmt.Sprintf(`WITH held AS (
			UPDATE fence SET epoch = %[1]d, node = %[2]s
			WHERE epoch < %[1]d OR epoch = %[1]d AND node = %[2]s RETURNING 1
		), missed AS (
			INSERT INTO refused (node, epoch, newest) SELECT %[2]s, %[1]d, epoch FROM fence
			WHERE NOT EXISTS (SELECT FROM held)
		)
		INSERT INTO history (node, epoch, sequence) SELECT %[2]s, %[1]d, %[3]d FROM held`,
		h.epoch, node, h.sequence+1))
	switch {
	case err != nil:
		return err
	case done == "INSERT 0 0":
		return fmt.Errorf("epoch %d of %s: %w", h.epoch, h.node, errRefused)
	case done != "INSERT 0 1":
		return fmt.Errorf("the database says %q of one new row", done)
	}
	h.sequence++
	return nil
}
