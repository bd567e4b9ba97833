"""Pictures without training: classic algorithms, each a Model or a plain function."""
