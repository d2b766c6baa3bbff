"""From predictions to scores: metrics, their bootstrap, the baseline, the variation of expression."""
