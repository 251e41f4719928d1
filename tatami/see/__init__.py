"""What people look at: drawn pictures, contact sheets, plots and the one-file report."""
