"""Where a trigger's object comes from: one file an origin."""
