"""How well the sync is: the verdict, the causes, their remedies."""
