"""What a dependency lets pass: programs compiled at load, with verdict trees."""
