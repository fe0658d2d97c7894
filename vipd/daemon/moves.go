package daemon

import "time"

// moves counts the changes of holder that were seen in the last hour.
type moves map[string]*tenures

type tenures struct {
	holder uint8
	at     []time.Time
}

// movesKept bounds what is kept for one token.
const movesKept = 1000

// see notes who holds the token now, 0 for nobody.
func (m moves) see(name string, holder uint8) {
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

func (m moves) count(name string) int {
	t := m[name]
	if t == nil {
		return 0
	}
	for len(t.at) > 0 && time.Since(t.at[0]) > time.Hour {
		t.at = t.at[1:]
	}
	return len(t.at)
}
