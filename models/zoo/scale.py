"""How large the cases are: whole ones to compare engines by, small ones to commit."""

# Rows of each batch that ONNX Runtime is asked, one after the other.
BATCHES = [0, 1, 7, 1000]
TREES = 20
SMALL = False


def shrink():
    """From now on, cases are small enough for the repository."""
    global TREES, SMALL
    BATCHES[:] = [0, 1, 7, 32]
    TREES = 4
    SMALL = True


def rows():
    """Rows of a case."""
    return sum(BATCHES)


def trees():
    """Trees of an ensemble."""
    return TREES
