package observe

import "time"

// Moves counts, for each token by name, the changes of holder in the last hour.
type Moves map[string]*tenures

type tenures struct {
	holder uint8
	at     []time.Time
}

// movesKept bounds what is kept for one token.
const movesKept = 1000

// Seen notes the slot of the node that holds the token now, 0 for none.
func (m Moves) Seen(name string, holder uint8) {
	t := m[name]
	switch {
	case holder == 0:
	case t == nil:
		m[name] = &tenures{holder: holder}
	case t.holder != holder:
		t.holder = holder
		if t.at = append(t.at, time.Now()); len(t.at) > movesKept {
			t.at = t.at[1:]
		}
	}
}

// Count is the number of changes in the last hour; at most movesKept are known.
func (m Moves) Count(name string) int {
	t := m[name]
	if t == nil {
		return 0
	}
	for len(t.at) > 0 && time.Since(t.at[0]) > time.Hour {
		t.at = t.at[1:]
	}
	return len(t.at)
}
