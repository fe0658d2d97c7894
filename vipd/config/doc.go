// Package config turns the text of vipd.toml into checked settings.
//
// It knows every key, its bounds and its default, and what no two values may say together. It reports all that is
// wrong at once, each with file, line, column and key. It never looks at the host: whether an interface, a key file or
// a command exists is for others to find out, so that a file can be checked anywhere. The same file serves every node.
//
//	text ──► unreadable? ──► scan ──► places: where keys and values stand ─┐
//	          UTF-8, size     depth,                                       ├─► table ──► Settings
//	                          repeats                                      │       └───► Problems
//	            └────────► toml.Decode ──► values ─────────────────────────┘
//
// The TOML library decodes values but gives no line for a key it does not know, and the wrong one for some errors;
// hence the scanner, which only finds places.
package config
