package observe

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Alarms are the conditions that an operator should mend now, each under its subject,
// such as "disk" or "path 192.0.2.11". They are safe for concurrent use.
type Alarms struct {
	log *slog.Logger

	mu       sync.Mutex
	raised   map[string]string // text by subject, never ""
	unusable []string          // why configured addresses could not work here now
}

// NewAlarms returns no alarms. Those that begin with Warn go to the log too.
func NewAlarms(log *slog.Logger) *Alarms {
	return &Alarms{log: log, raised: map[string]string{}}
}

// Raise sets the alarm of the subject.
func (a *Alarms) Raise(subject, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.raised[subject] = text
}

// Clear ends the alarm of the subject, if there is one.
func (a *Alarms) Clear(subject string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.raised, subject)
}

// Set raises the alarm of the subject, or clears it where the text is "".
func (a *Alarms) Set(subject, text string) {
	if text == "" {
		a.Clear(subject)
		return
	}
	a.Raise(subject, text)
}

// RaiseFor raises the alarm for a while, unless the subject has another text by then.
func (a *Alarms) RaiseFor(subject, text string, lasts time.Duration) {
	a.Raise(subject, text)
	time.AfterFunc(lasts, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.raised[subject] == text {
			delete(a.raised, subject)
		}
	})
}

// Warn raises the alarm and writes it to the log.
func (a *Alarms) Warn(subject, text string) {
	a.log.Warn(text)
	a.Raise(subject, text)
}

// Raised reports whether the subject has an alarm.
func (a *Alarms) Raised(subject string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.raised[subject] != ""
}

// SetUnusable replaces the reasons for which configured addresses could not work here,
// and writes each new one to the log.
func (a *Alarms) SetUnusable(reasons []string) {
	a.mu.Lock()
	before := a.unusable
	a.unusable = reasons
	a.mu.Unlock()
	for _, text := range reasons {
		if !slices.Contains(before, text) {
			a.log.Error("an address could not work here", "err", text)
		}
	}
}

// List returns the text of every alarm, sorted.
func (a *Alarms) List() (list []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, text := range a.raised {
		list = append(list, text)
	}
	list = append(list, a.unusable...)
	slices.Sort(list)
	return list
}
