package cupel

// Isolation says what stands between a program and the host.
type Isolation struct {
	// Tier is the kind of isolation in force.
	Tier Tier
	// Missing names what this place can't give that a better one could, such
	// as "cgroups" or "private proc". Never nil in JSON.
	Missing []string
}

// Tier is a kind of isolation, strongest first.
type Tier string

// The tiers, a closed set. TierNamespacesBoundProc stands where the outer
// /proc is masked (Kubernetes pods), so that no private one can be mounted.
const (
	TierNamespaces          Tier = "namespaces"
	TierNamespacesBoundProc Tier = "namespaces-bound-proc"
	TierUIDs                Tier = "uids"
	TierLandlock            Tier = "landlock"
)

// IsolationLevel is the weakest tier that a Spec accepts.
type IsolationLevel string

// The levels: strict accepts TierNamespaces, standard (the default) also
// TierNamespacesBoundProc, any accepts every tier.
const (
	IsolationStrict   IsolationLevel = "strict"
	IsolationStandard IsolationLevel = "standard"
	IsolationAny      IsolationLevel = "any"
)

// Accepts reports whether tier is enough. An unknown level is an error of kind
// Invalid.
func (l IsolationLevel) Accepts(tier Tier) (bool, error) {
	switch l {
	case IsolationAny:
		return true, nil
	case IsolationStandard:
		return tier == TierNamespaces || tier == TierNamespacesBoundProc, nil
	case IsolationStrict:
		return tier == TierNamespaces, nil
	}
	return false, Invalidf("isolation", string(l), "use strict, standard or any")
}
