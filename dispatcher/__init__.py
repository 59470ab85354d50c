"""The room that acts. It knows no source and no filter."""
