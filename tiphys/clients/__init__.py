"""The outside world, for more than one room. One package a server; each call has a time limit."""
