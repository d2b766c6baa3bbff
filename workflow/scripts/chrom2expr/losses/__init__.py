"""What heads minimise: the interface, and the thesis's hybrid loss."""
