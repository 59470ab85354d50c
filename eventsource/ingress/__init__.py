"""HTTP in: one table of listeners and routes; limits before hashing before parsing."""
