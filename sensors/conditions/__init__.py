"""When a trigger fires: dependency names, `&&`, `||` and parentheses, compiled at load."""
