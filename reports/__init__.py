"""The printer: keeps reports, lays chains out as a matrix, and prints it in every format."""
