"""What a log means: its lines against the signatures, and which error is the cause of the others."""
