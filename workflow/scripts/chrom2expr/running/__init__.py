"""What is said of a run that has ended: what it made, why jobs failed, and what a report of a bug holds."""
