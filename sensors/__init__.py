"""The room that decides. It knows no source and no target."""
