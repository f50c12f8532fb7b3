"""l2ssm: deep state-space models for system identification, with L2 gains that are proved."""
