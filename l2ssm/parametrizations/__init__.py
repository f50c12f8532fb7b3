"""Pure maps from free parameters to the numbers (lam, B, C, D) of a system; no state, no modules."""
