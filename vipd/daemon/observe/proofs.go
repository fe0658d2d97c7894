package observe

import (
	"vipd/vipd/control"
)

// Proofs are, for each token by name, the neighbours that know where its addresses are.
type Proofs map[string][]control.Proof

// proofsKept bounds what is kept for one token.
const proofsKept = 16

// Add keeps the newest proof of each address by each neighbour, and none of an
// earlier tenure.
func (p Proofs) Add(name string, proof control.Proof) {
	list := []control.Proof{proof}
	for _, old := range p[name] {
		if old.Epoch == proof.Epoch && (old.Address != proof.Address || old.By != proof.By) && len(list) < proofsKept {
			list = append(list, old)
		}
	}
	p[name] = list
}

// Of returns the proofs of the tenure, oldest first.
func (p Proofs) Of(name string, epoch uint64) (list []control.Proof) {
	for i := len(p[name]) - 1; i >= 0; i-- {
		if p[name][i].Epoch == epoch {
			list = append(list, p[name][i])
		}
	}
	return list
}
