"""The room that listens. It knows no sensor and no trigger."""
