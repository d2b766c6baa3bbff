"""What a run takes before it is begun: its jobs, their work, and what they cost in time, memory and disk."""
