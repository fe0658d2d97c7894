package unit

import (
	"errors"
	"fmt"
	"hash/fnv"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Bounds of a command.
const (
	argumentsMax   = 256
	folderBaseMax  = 64 // octets of the program's name in a folder's name
	commandTextMax = 32 << 10
)

// parseCommand splits what follows exec: into a program and its arguments. They
// are separated by blanks; "…" keeps blanks together, and a backslash takes the
// character behind it as it is. Nothing else has a meaning: there is no shell.
func parseCommand(text string) ([]string, error) {
	if len(text) > commandTextMax {
		return nil, fmt.Errorf("longer than %d octets", commandTextMax)
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("not UTF-8") // else another program's name would come of it
	}
	words, err := splitWords(text)
	switch {
	case err != nil:
		return nil, err
	case len(words) == 0:
		return nil, errors.New("no program named")
	case len(words) > argumentsMax:
		return nil, fmt.Errorf("more than %d arguments", argumentsMax)
	case !filepath.IsAbs(words[0]):
		return nil, fmt.Errorf("%s is no absolute path", words[0])
	}
	words[0] = filepath.Clean(words[0])
	return words, nil
}

// splitWords splits at blanks that are neither quoted nor behind a backslash.
func splitWords(text string) (words []string, err error) {
	var word strings.Builder
	var inWord, quoted, escaped bool
	for _, r := range text {
		switch {
		case r < ' ' && r != '\t' || r == 0x7f:
			return nil, fmt.Errorf("control character %q", r)
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			inWord, escaped = true, true
		case r == '"':
			inWord, quoted = true, !quoted
		case !quoted && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	switch {
	case quoted:
		return nil, errors.New(`a " without its end`)
	case escaped:
		return nil, errors.New(`nothing behind the last \`)
	case inWord:
		words = append(words, word.String())
	}
	return words, nil
}

// folderName names the control group and files of a command: the program, and
// a sum of the whole text, since a group may run one program twice. The same
// text has the same name in the next daemon.
func folderName(text string, argv []string) string {
	base := strings.Map(func(r rune) rune {
		if unfit(r) {
			return '_'
		}
		return r
	}, strings.TrimLeft(filepath.Base(argv[0]), "."))
	if rest, reserved := strings.CutPrefix(base, reservedPrefix); reserved {
		base = strings.ReplaceAll(reservedPrefix, ".", "_") + rest
	}
	sum := fnv.New32a()
	sum.Write([]byte(text))
	return fmt.Sprintf("%.*s-%08x", folderBaseMax, base, sum.Sum32())
}
