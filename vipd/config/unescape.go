package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape resolves the escapes of a basic string; those it does not know stay, as the library refuses them.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		r, size := escape(s[i+1:])
		b.WriteRune(r)
		i += size
	}
	return b.String()
}

// escape decodes what follows a backslash and says how many bytes it took.
func escape(s string) (r rune, size int) {
	if i := strings.IndexByte(`btnfre"\`, s[0]); i >= 0 {
		return rune("\b\t\n\f\r\x1b\"\\"[i]), 1
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if digits > 0 && len(s) > digits {
		if n, err := strconv.ParseUint(s[1:1+digits], 16, 32); err == nil && utf8.ValidRune(rune(n)) {
			return rune(n), 1 + digits
		}
	}
	return '\\', 0
}
