"""How event data gets into an object: sources, destinations and payloads (reference 6.3 and 6.4)."""
