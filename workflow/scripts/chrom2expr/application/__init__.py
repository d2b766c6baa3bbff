"""What trained runs are used for: variants, from a VCF to the windows of both alleles."""
