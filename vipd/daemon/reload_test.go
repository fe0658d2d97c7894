package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/sharedip"
	"vipd/vipd/config"
)

func parsed(t *testing.T, text string) config.Settings {
	t.Helper()
	s, err := config.Parse("vipd.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOnlyByRestart(t *testing.T) {
	old := parsed(t, pairConfig)
	for _, c := range []struct{ from, to, refused string }{
		{`cluster = "t"`, `cluster = "u"`, "cluster"},
		{`"/nowhere"`, `"/elsewhere"`, "key_file"},
		{`["192.0.2.12"]`, `["192.0.2.13"]`, "[node."},
		{`[node.hist-b]`, `[node.hist-c]`, "[node."},
		{`[vip.front]`, "[heartbeat]\ninterval = \"40ms\"\n[vip.front]", "[heartbeat]"},
		{`[vip.front]`, "[heartbeat]\ntolerance = 4\n[vip.front]", "[heartbeat]"},
		{`[vip.front]`, "[multicast]\nport = 7001\n[vip.front]", "[multicast]"},
		{`[vip.front]`, "[expert]\nstart_wait = \"20s\"\n[vip.front]", "start_wait"},
		{"priority = 200", "priority = 50", ""},
		{`"192.0.2.10/24"`, `"192.0.2.20/24"`, ""},
		{`[vip.front]`, "[vip.more]\naddress = \"192.0.2.30/24\"\n[vip.front]", ""},
	} {
		text := strings.Replace(pairConfig, c.from, c.to, 1)
		err := onlyByRestart(old, parsed(t, text))
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s → %s: %v", c.from, c.to, err)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused) || !strings.Contains(err.Error(), "restart")):
			t.Errorf("%s → %s: error %v, want one that names %s", c.from, c.to, err, c.refused)
		}
	}
}

// hup has the host take over a configuration, and lets things settle.
func (h *host) hup(text string) {
	h.write(text)
	take := h.d.reread(false)
	h.d.tell(callOnLoop{func() { take() }})
	time.Sleep(time.Second)
}

const back = "vip:back"

const twoConfig = pairConfig + `[vip.back]
address = "192.0.2.20/24"
`

func alarms(h *host) string { return strings.Join(h.d.Status().Alarms, "\n") }

// A file that can't be taken over changes nothing, and is an alarm until one can.
func TestReloadOfABadFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		from, digest := time.Now(), p.a.d.Status().ConfigDigest
		for _, bad := range []string{"[vip", strings.Replace(pairConfig, "priority", "priorty", 1), strings.Replace(pairConfig, `"t"`, `"u"`, 1)} {
			p.a.hup(bad)
			if got := p.a.d.Status().ConfigDigest; got != digest {
				t.Errorf("digest %s, want %s as before", got, digest)
			}
			if !strings.Contains(alarms(p.a), "was not taken over") {
				t.Errorf("no alarm: %s", alarms(p.a))
			}
		}
		p.a.hup(pairConfig)
		if strings.Contains(alarms(p.a), "taken over") {
			t.Errorf("the alarm stays: %s", alarms(p.a))
		}
		if deeds := append(p.a.hands.After(from, "take", "drop"), p.b.hands.After(from, "take", "drop")...); len(deeds) != 0 {
			t.Errorf("something moved: %v", deeds)
		}
	})
}

// A vip that is added, changed or removed is the only one that is touched.
func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		from := time.Now()
		for _, h := range []*host{p.a, p.b} {
			h.hup(twoConfig)
		}
		p.until(p.a, back)
		moved := strings.Replace(twoConfig, "192.0.2.20", "192.0.2.21", 1)
		for _, h := range []*host{p.a, p.b} {
			h.hup(moved)
		}
		if !slices.ContainsFunc(p.a.hands.Configured(), func(s sharedip.Set) bool {
			return s.Token == back && s.Addresses[0].Prefix.Addr().String() == "192.0.2.21"
		}) {
			t.Errorf("the hands have %v", p.a.hands.Configured())
		}
		for _, h := range []*host{p.a, p.b} {
			h.hup(pairConfig)
		}
		if p.a.hands.Holds(back) || len(p.a.hands.Configured()) != 1 {
			t.Errorf("removed, but held %v, known to the hands %v", p.a.hands.Holds(back), p.a.hands.Configured())
		}
		if s := p.a.d.Status(); len(s.Tokens) != 1 {
			t.Errorf("status has %d tokens", len(s.Tokens))
		}
		for _, h := range []*host{p.a, p.b} {
			for _, d := range h.hands.After(from, "take", "drop") {
				if d.Token == front {
					t.Errorf("%s: %s of a vip that did not change", h.name, d.What)
				}
			}
		}
	})
}

// The address of a held vip that gets another name is off the old one before
// it is the new one's, and no two tokens ever have it in the hands.
func TestReloadRenamesAHeldVIP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		from := time.Now()
		renamed := strings.Replace(pairConfig, "[vip.front]", "[vip.main]", 1)
		for _, h := range []*host{p.a, p.b} {
			h.write(renamed)
			take := h.d.reread(false)
			h.d.tell(callOnLoop{func() { take() }})
		}
		p.until(p.a, "vip:main")
		deeds := p.a.hands.After(from, "take", "drop")
		if len(deeds) != 2 || deeds[0].What != "drop" || deeds[0].Token != front || deeds[1].What != "take" {
			t.Errorf("did %v, want a drop of the old and a take of the new", deeds)
		}
		if text := alarms(p.a); strings.Contains(text, "belongs to") {
			t.Error(text)
		}
	})
}

// A held vip that gets the address of one that goes keeps its own until then.
func TestReloadHandsAnAddressOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, twoConfig)
		p.settle()
		p.until(p.a, back)
		time.Sleep(time.Second)
		p.a.hands.Change(func() { p.a.hands.Refuse = map[string]error{"drop": errors.New("busy")} })
		from := time.Now()
		p.a.hup(strings.Replace(pairConfig, "[vip.front]", "[vip.back]", 1))
		address := func(name string) string {
			i := slices.IndexFunc(p.a.hands.Configured(), func(s sharedip.Set) bool { return s.Token == name })
			return p.a.hands.Configured()[i].Addresses[0].Prefix.Addr().String()
		}
		if address(front) != "192.0.2.10" || address(back) != "192.0.2.20" {
			t.Errorf("the hands have %v while the old name can't be dropped", p.a.hands.Configured())
		}
		p.a.hands.Change(func() { p.a.hands.Refuse = nil })
		time.Sleep(time.Second)
		if len(p.a.hands.Configured()) != 1 || address(back) != "192.0.2.10" {
			t.Errorf("the hands have %v in the end", p.a.hands.Configured())
		}
		for _, d := range p.a.hands.After(from, "take", "drop") {
			if d.Token == back {
				t.Errorf("%s of %s, which stays", d.What, back)
			}
		}
	})
}

// A vip that everybody may hold is taken in the very step that adds it.
func TestReloadAddsAVIPThatIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.a.hup(twoConfig + "allow_multiple = true\n")
		if !p.a.hands.Holds(back) {
			t.Error("not taken")
		}
		if deeds := p.a.hands.After(time.Time{}, "take"); len(deeds) != 2 {
			t.Errorf("took %v", deeds)
		}
	})
}

// What spoke against a token doesn't speak against the next one with its number.
func TestANumberThatIsReusedBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.a.d.tell(addressContested{front})
		p.until(p.b, front)
		renamed := strings.Replace(pairConfig, "[vip.front]", "[vip.main]", 1)
		p.a.hup(renamed)
		p.b.hup(renamed)
		p.until(p.a, "vip:main")
	})
}

// A number that is reused where the cable is out is not taken to be fit.
func TestANumberThatIsReusedIsJudgedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.a.hands.Change(func() { p.a.hands.Unfit = errors.New("no carrier") })
		p.a.d.tell(linksChanged{})
		p.until(p.b, front)
		from := time.Now()
		renamed := strings.Replace(pairConfig, "[vip.front]", "[vip.main]", 1)
		p.a.hup(renamed)
		p.b.hup(renamed)
		p.until(p.b, "vip:main")
		if deeds := p.a.hands.After(from, "take"); len(deeds) != 0 {
			t.Errorf("took %v without a cable", deeds)
		}
	})
}
