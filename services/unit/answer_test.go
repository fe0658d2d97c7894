package unit

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/godbus/dbus/v5"
)

// answer is a message of systemd's that holds properties, as it is on the wire.
func answer(t testing.TB, properties map[string]any) []byte {
	t.Helper()
	variants := make(map[string]dbus.Variant)
	for name, value := range properties {
		variants[name] = dbus.MakeVariant(value)
	}
	m := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(uint32(1)),
		dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(variants)),
	}, Body: []any{variants}}
	var wire bytes.Buffer
	if err := m.EncodeTo(&wire, binary.LittleEndian); err != nil {
		t.Fatal(err)
	}
	octets := wire.Bytes()
	binary.LittleEndian.PutUint32(octets[8:], 2) // a serial, which a connection would give it
	return octets
}

// propertiesIn are the properties in a message, as go-systemd hands them on.
func propertiesIn(octets []byte) (map[string]any, bool) {
	m, err := dbus.DecodeMessage(bytes.NewReader(octets))
	if err != nil {
		return nil, false
	}
	variants := make(map[string]dbus.Variant)
	if dbus.Store(m.Body, &variants) != nil {
		return nil, false
	}
	properties := make(map[string]any)
	for name, v := range variants {
		properties[name] = v.Value()
	}
	return properties, true
}

// Whatever a bus answers, systemd's properties are read without harm, and what is told
// of them is one line that can be printed.
func FuzzAnswer(f *testing.F) {
	for _, properties := range []map[string]any{
		{"Id": "x.service", "ActiveState": "active", "SubState": "running", "LoadState": "loaded", "UnitFileState": "static", "InvocationID": []byte{1, 2}},
		{"Id": "x.service", "ActiveState": "failed", "SubState": "failed", "Result": "signal", "ExecMainCode": int32(2), "ExecMainStatus": int32(9)},
		{"Id": "x.service", "ActiveState": "inactive", "LoadState": "error", "LoadError": []any{"a", "b"}, "DropInPaths": []string{"/a"}},
		{"Id": "x.service", "ActiveState": "active", "Type": "oneshot", "ConsistsOf": []string{"y.service"}, "ExecStart": [][]any{{"/bin/true"}}},
		{"Id": 7, "ActiveState": []string{"active"}, "LoadError": [][]any{}, "ExecMainCode": "1"},
		{"Id": "x", "ActiveState": "act\x1b[2Jive\n", "ExecMainCode": int32(1), "ExecMainStatus": int32(-1)},
	} {
		f.Add(answer(f, properties))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		properties, ok := propertiesIn(octets)
		if !ok {
			return
		}
		c, err := conditionIn("x.service", properties)
		if err != nil {
			return
		}
		if c.id == "" || c.active == "" {
			t.Errorf("a condition of nothing: %+v", c)
		}
		texts := []string{printable(endTextIn(c, properties), lineMax)}
		for _, err := range []error{c.objection("x.service"), refuseTargetIn("x.service", c, properties)} {
			if err != nil {
				texts = append(texts, err.Error())
			}
		}
		for _, text := range texts {
			if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q can't be printed", text)
			}
		}
	})
}

// Whatever a file of an earlier daemon holds, it names a process or is refused.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"pid":7,"started":100}`))
	f.Add([]byte(`{"pid":-1}`))
	f.Add([]byte("{}{"))
	path := filepath.Join(f.TempDir(), "state")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := readState(path)
		if err != nil {
			return
		}
		if s.PID <= 0 {
			t.Errorf("%q names process %d", text, s.PID)
		}
		if err := s.write(path); err != nil {
			t.Fatal(err)
		}
		if again, err := readState(path); err != nil || again != s {
			t.Errorf("%+v was read back as %+v, %v", s, again, err)
		}
	})
}
