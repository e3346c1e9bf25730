package api

// PoolRequest asks for a pool of sandboxes that wait: POST /v1/pools. Asking
// again with an equal spec gives the same pool, as large as the larger size.
type PoolRequest struct {
	Spec Spec `json:"spec,omitzero"`
	// Size is how many may be used at once. Default: the programs that the
	// server runs at once. So many are made before the answer.
	Size Count `json:"size,omitempty"`
}

// Pool is a pool that the caller asked for, or used by POST /v1/run. Its
// sandboxes may serve other callers too, reset and checked in between; its
// counts are the caller's own.
type Pool struct {
	// ID is a hash of the spec, the same for the same caller for ever.
	ID string `json:"id"`
	// Spec is complete, and its limits are the most that a run may ask for.
	Spec Spec `json:"spec"`
	// Size is how many sandboxes may be used at once.
	Size int `json:"size"`
	// Running and Waiting are runs now, Runs those that ended.
	Running int   `json:"running"`
	Waiting int   `json:"waiting"`
	Runs    int64 `json:"runs"`
	// WaitedMS is how long its runs waited for a sandbox and to be admitted,
	// summed up. It is part of no Result.
	WaitedMS float64 `json:"waited_ms"`
}

// PoolList answers GET /v1/pools: the caller's own, oldest first.
type PoolList struct {
	Pools []Pool `json:"pools"`
}
