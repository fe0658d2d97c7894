package lease

import "errors"

func openRuleset(o Options) (enforcer, error) { return nil, errors.New("x") }
