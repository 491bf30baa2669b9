"""Studies to test with: a small one by hand, any number by chance, and databases to put them in."""
