"""Running somebody's build inside the memory that there is."""
