"""The picture world: endless illustrated scenes whose truth is known."""
