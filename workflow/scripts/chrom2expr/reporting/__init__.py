"""What a finished run was, as pages of its report: results, config, provenance, what it took, and its methods."""
