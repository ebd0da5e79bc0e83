"""What people and programs outside see of the daemon."""
