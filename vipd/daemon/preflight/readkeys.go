package preflight

import (
	"errors"
	"io/fs"

	"vipd/seal"
	"vipd/vipd/config"
	"vipd/vipd/control"
)

// ReadKeys reads the key file that the settings name. A file that can't be used is an error
// of the configuration in the file at path, config.Errors, with the place of key_file; one
// that this user may not read is a *control.Error with control.CodePermission.
func ReadKeys(path string, s config.Settings) ([]seal.Key, error) {
	keys, err := seal.ReadKeyFile(s.KeyFile)
	switch {
	case err == nil:
		return keys, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, control.Errorf(control.CodePermission, "%v", err)
	}
	return nil, config.Errors{config.At(path, err.Error(), 0, "key_file")}
}
