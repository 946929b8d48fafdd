"""What can be done with picked examples."""
