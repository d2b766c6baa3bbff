"""What trained runs are used for: a run as one module from DNA to expression, new sequences, variants."""
