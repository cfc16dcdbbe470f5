"""Documents: their commands run, their tables are the code's, their prose is plain."""
