"""Go's values and how Go prints, compares and converts them: what templates, sprig and expressions stand on."""
